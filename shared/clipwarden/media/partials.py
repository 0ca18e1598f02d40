"""Uploads of the folder store that are not complete yet: a folder of parts each, which nothing is ever served from."""

import contextlib
import hashlib
import io
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from clipwarden.errors import MediaChanged, MediaNotFound
from clipwarden.media import etags
from clipwarden.media.store import Part
from clipwarden.moderation import Location

_BUFFER = 1024**2
#: Seconds after which an upload that got no part belongs to nobody: longer than any session of the gateway lasts.
_ABANDONED = 14 * 24 * 3600


class Partials:
    """Keeps parts below ``root``; a token is only good for the target that it was made for."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def begin(self, target: Location) -> str:
        """Make an empty upload and return its token; uploads that were abandoned go."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._sweep()
        token = secrets.token_hex(16)
        self._folder(target, token).mkdir()
        return token

    def part(self, target: Location, token: str, number: int) -> Path:
        """Return where a part belongs; raises MediaNotFound where there is no such upload."""
        folder = self._folder(target, token)
        if not folder.is_dir():
            raise MediaNotFound(f"there is no such upload to {target}")
        return folder / f"{number:05}"

    def listed(self, target: Location, token: str) -> list[Part]:
        """Return the parts that have come; raises MediaNotFound where there is no such upload."""
        folder = self._folder(target, token)
        try:
            paths = sorted(folder.iterdir())
        except FileNotFoundError as exc:
            raise MediaNotFound(f"there is no such upload to {target}") from exc
        return [_described(path) for path in paths]

    def joined(self, target: Location, token: str, parts: Sequence[tuple[int, str]]) -> BinaryIO:
        """Return the parts as one stream; raises MediaNotFound, and MediaChanged where a part has another etag."""

        def files() -> Iterator[BinaryIO]:
            for number, etag in parts:
                yield _verified(self.part(target, token, number), number, etag)

        return io.BufferedReader(_Joined(files()), _BUFFER)

    def discard(self, target: Location, token: str) -> None:
        """See to it that there is no such upload: at once for who writes to it, then its bytes go."""
        folder = self._folder(target, token)
        dying = folder.with_name(f"{folder.name}.gone")
        with contextlib.suppress(FileNotFoundError):
            folder.rename(dying)
        shutil.rmtree(dying, ignore_errors=True)

    def _folder(self, target: Location, token: str) -> Path:
        """Digest both: neither a key nor a token can lead anywhere else."""
        name = f"{target.bucket}\0{target.key}\0{token}"
        return self._root / hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()

    def _sweep(self) -> None:
        for folder in self._root.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(folder, ignore_errors=True)


def etag(md5: str, size: int) -> str:
    """Return a part's etag: with its length, so that a complete file can be told by its parts."""
    return f"{md5}-{size}"


def consists(file: BinaryIO, parts: Sequence[tuple[int, str]]) -> bool:
    """Say whether a file is these parts, one after the other, and nothing more; all of it is read."""
    return all(_digested(file, size) == md5 for md5, size in (_read(etag) for _, etag in parts)) and not file.read(1)


def _described(path: Path) -> Part:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return Part(number=int(path.name), bytes=size, etag=etag(etags.of(file), size))


def _verified(path: Path, number: int, expected: str) -> BinaryIO:
    try:
        file = path.open("rb")
    except FileNotFoundError as exc:
        if not path.parent.is_dir():
            raise MediaNotFound("there is no such upload any more") from exc
        raise MediaChanged(f"there is no part {number}") from exc
    with contextlib.ExitStack() as failed:
        failed.enter_context(file)
        if etag(etags.of(file), os.fstat(file.fileno()).st_size) != expected:
            raise MediaChanged(f"part {number} is not what it was")
        file.seek(0)
        failed.pop_all()
    return file


def _read(etag: str) -> tuple[str, int]:
    md5, _, size = etag.partition("-")
    return md5, int(size) if size.isdecimal() else 0


def _digested(file: BinaryIO, size: int) -> str:
    digest = etags.digest()
    while size and (chunk := file.read(min(size, _BUFFER))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest()


class _Joined(io.RawIOBase):
    """Reads files to their ends, and opens each as the one before it has ended."""

    def __init__(self, files: Iterator[BinaryIO]) -> None:
        self._files = files
        self._file: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override] # narrower, as io's own
        while (file := self._file or next(self._files, None)) is not None:
            self._file = file
            if data := file.read(len(buffer)):
                buffer[: len(data)] = data
                return len(data)
            file.close()
            self._file = None
        return 0

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()
