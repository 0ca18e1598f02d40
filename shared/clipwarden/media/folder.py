"""Media in a folder of this machine, with a sub-folder per bucket."""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

from clipwarden.errors import MediaNotFound, SourceRefused
from clipwarden.media import durable, etags, names, partials
from clipwarden.media.draft import PartDraft
from clipwarden.media.folder_faults import faults
from clipwarden.media.links import Links
from clipwarden.media.part import limited
from clipwarden.media.store import Part, Stored, movable, ordered, require_etag, require_number
from clipwarden.moderation import Location

_CHUNK = 1024**2
#: Seconds after which a draft that nobody has written to belongs to a process that died.
_ABANDONED = 24 * 3600


class FolderStore:
    """Keeps objects as files below ``root``, all on one file system; an etag is the MD5 of the bytes.

    Unlike in S3, a key cannot be the beginning of another one's path, and versions and content types are not kept.
    """

    def __init__(self, root: Path, links: Links) -> None:
        self._root = root.resolve()
        self._own = self._root / ".clipwarden"
        self._partials = partials.Partials(self._own / "partial")
        self._links = links

    def put(self, location: Location, stream: BinaryIO, *, content_type: str | None = None) -> Stored:  # noqa: ARG002 # see the class
        """Write a draft, make it durable, and only then give it its name."""
        with faults(location), self._draft() as draft:
            path = self._path(location)
            with draft.open("xb") as file:
                etag = _write(stream, file)
                etags.keep(file.fileno(), etag)
                stored = _described(location, file, etag)
            with self._alone():
                self._rename(draft, path)
        return stored

    def begin(self, target: Location, content_type: str | None = None) -> str:  # noqa: ARG002 # see the class
        """Make a folder for the parts."""
        with faults(target):
            self._path(target)
            return self._partials.begin(target)

    def put_part(self, target: Location, token: str, number: int, data: bytes | memoryview) -> str:
        """Write the part as a file of its own, durably."""
        with contextlib.closing(self.receive(target, token, number)) as receiving:
            receiving.write(data)
            return receiving.keep()

    def receive(self, target: Location, token: str, number: int) -> PartDraft:
        """Return what takes a part piece by piece; to be closed. Raises MediaNotFound where there is no such upload."""
        with faults(target):
            part = self._partials.part(target, token, require_number(number))
            return PartDraft(target, self._draft(), part)

    def parts(self, target: Location, token: str) -> list[Part]:
        """List the folder with the parts."""
        with faults(target):
            return self._partials.listed(target, token)

    def part_urls(
        self, target: Location, token: str, sizes: Mapping[int, int], *, expires: timedelta
    ) -> dict[int, str]:
        """Return signed URLs below ``CLIPWARDEN_MEDIA__PUBLIC_URL``, which the gateway answers."""
        expiry = datetime.now(UTC) + expires
        return {
            number: self._links.make_part(target, token, require_number(number), size, expires=expiry)
            for number, size in sizes.items()
        }

    def complete(self, target: Location, token: str, parts: Sequence[tuple[int, str]]) -> Stored:
        """Put the parts one after the other; who comes later finds the file made of just these parts."""
        parts = ordered(parts)
        try:
            with self._partials.joined(target, token, parts) as stream:
                stored = self.put(target, stream)
        except MediaNotFound:
            with self._open(target) as file:
                if not partials.consists(file, parts):
                    raise
            stored = self.head(target)
        self.discard(target, token)
        return stored

    def discard(self, target: Location, token: str) -> None:
        """Remove the folder with the parts."""
        with faults(target):
            self._partials.discard(target, token)

    def open(self, location: Location, *, start: int = 0, end: int | None = None) -> BinaryIO:
        """Open the file, at ``start``."""
        file = self._open(location)
        file.seek(start)
        return file if end is None else limited(file, max(0, end - start))

    def seekable(self, location: Location) -> BinaryIO:
        """Open the file; what is put at its location meanwhile is another file."""
        return self._open(location)

    def head(self, location: Location) -> Stored:
        """Return size and MD5; where this store did not write the file, all of it is read once."""
        with self._open(location) as file, faults(location):
            return _stored(location, file)

    def exists(self, location: Location) -> bool:
        """Say whether there is such a file."""
        with faults(location):
            return self._path(location).is_file() and location.version is None

    def copy(self, source: Location, target: Location, *, etag: str | None) -> Stored:
        """Write the bytes a second time."""
        with self._open(source) as file:
            with faults(source):
                require_etag(_stored(source, file), etag)
                file.seek(0)
            return self.put(target, file)

    def move(self, source: Location, target: Location, *, etag: str | None) -> Stored:
        """Rename the file, which happens wholly or not at all."""
        with faults(target), self._alone():
            if movable(self, source, target, etag=etag, identity=attrgetter("etag")) is not None:
                path = self._path(source)
                self._rename(path, self._path(target))
                durable.sync(path.parent)
        return self.head(target)

    def delete(self, location: Location) -> None:
        """Unlink the file."""
        with faults(location):
            if self.exists(location):
                path = self._path(location)
                path.unlink(missing_ok=True)
                durable.sync(path.parent)

    def purge(self, location: Location) -> None:
        """Unlink the file, and the folders that are empty without it."""
        self.delete(location)
        home = self._root / location.bucket
        with faults(location), contextlib.suppress(FileNotFoundError):
            for folder in self._path(location).parents:
                if folder == home or any(folder.iterdir()):
                    return
                with contextlib.suppress(OSError):  # Somebody has just put something there.
                    folder.rmdir()

    def url(
        self, location: Location, *, expires: timedelta, download_name: str | None = None, media_type: str | None = None
    ) -> str:
        """Return a signed URL below ``CLIPWARDEN_MEDIA__PUBLIC_URL``."""
        self._path(location)
        expiry = datetime.now(UTC) + expires
        return self._links.make(location, expires=expiry, download_name=download_name, media_type=media_type)

    def region(self, bucket: str) -> str | None:  # noqa: ARG002 # part of the port
        """Return ``None``: a folder is in no region."""
        return None

    def _path(self, location: Location) -> Path:
        """Return where the file is or would be; raises SourceRefused for whatever leads out of the bucket's folder."""
        home = self._root / location.bucket
        path = home.joinpath(*names.segments(location))
        try:
            inside = path.resolve().is_relative_to(home)
        except RuntimeError:  # A loop of links, to Python before 3.13.
            inside = False
        if not inside:
            raise SourceRefused(f"{location} leads out of its bucket's folder")
        return path

    def _open(self, location: Location) -> BinaryIO:
        if not self.exists(location):
            raise MediaNotFound(f"there is no {location}")
        with faults(location):
            return self._path(location).open("rb")

    @contextlib.contextmanager
    def _draft(self) -> Iterator[Path]:
        """Give the name of a new file that is gone afterwards, unless it was given another name."""
        folder = self._own / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        draft = folder / secrets.token_hex(16)
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep all processes from renaming, so that what was just looked at is what is renamed."""
        self._own.mkdir(parents=True, exist_ok=True)
        with (self._own / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _rename(self, path: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        for folder in target.parents:  # New folders last only once the ones above them are on disk.
            durable.sync(folder)
            if folder == self._root:
                break


def _stored(location: Location, file: BinaryIO) -> Stored:
    return _described(location, file, etags.of(file))


def _described(location: Location, file: BinaryIO, etag: str) -> Stored:
    facts = os.fstat(file.fileno())
    return Stored(
        location=location, bytes=facts.st_size, etag=etag, modified=datetime.fromtimestamp(facts.st_mtime, UTC)
    )


def _write(stream: BinaryIO, file: BinaryIO) -> str:
    digest = etags.digest()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        file.write(chunk)
    file.flush()
    os.fsync(file.fileno())
    return digest.hexdigest()


def _sweep(folder: Path) -> None:
    for draft in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > _ABANDONED:
                draft.unlink()
