"""The MD5 of a file's bytes, as S3 reports it, remembered in an extended attribute where the file system has those."""

import contextlib
import hashlib
import os
import re
import sys
from typing import BinaryIO

_ATTRIBUTE = "user.clipwarden.etag"
_CHUNK = 1024**2
_MD5 = re.compile(r"[0-9a-f]{32}")


def digest() -> "hashlib._Hash":
    """Return an empty digest of the kind that etags are."""
    return hashlib.md5(usedforsecurity=False)


def of(file: BinaryIO) -> str:
    """Return a file's etag: the one that is remembered, if these are still the bytes, else from reading them all."""
    etag, _, stamp = _recall(file.fileno()).partition(" ")
    if stamp == _stamp(file.fileno()) and _MD5.fullmatch(etag):
        return etag
    before, anew = _stamp(file.fileno()), digest()
    file.seek(0)
    while chunk := file.read(_CHUNK):
        anew.update(chunk)
    etag = anew.hexdigest()
    if before == _stamp(file.fileno()):
        keep(file.fileno(), etag)
    return etag


def keep(descriptor: int, etag: str) -> None:
    """Remember a file's etag with the file, through renames; without effect where that is not possible."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setxattr(descriptor, _ATTRIBUTE, f"{etag} {_stamp(descriptor)}".encode())


def _recall(descriptor: int) -> str:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return os.getxattr(descriptor, _ATTRIBUTE).decode("ascii", "replace")
    return ""


def _stamp(descriptor: int) -> str:
    """Return what changes with the bytes: a file that was written to since, or copied, has another one."""
    facts = os.fstat(descriptor)
    return f"{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ino}"
