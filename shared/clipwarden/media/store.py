"""The port to wherever videos, labels and quarantined bytes are kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol

from clipwarden.errors import MediaChanged, MediaNotFound, SourceRefused
from clipwarden.moderation import Location

#: Bytes that all parts but the last have at least, and the highest number of a part:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
LEAST_PART, LAST_PART = 5 * 1024**2, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object as the store has it."""

    location: Location  #: With the version, where the bucket keeps those.
    bytes: int
    etag: str  #: Without quotes; other bytes have another one, a copy of the same bytes may too.
    modified: datetime | None = None  #: When the bytes came there, as exactly as the store tells.


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of an upload, as the store has it."""

    number: int
    bytes: int
    etag: str


class MediaStore(Protocol):
    """Keeps objects; usable from many threads at once.

    Every method may raise MediaUnavailable (try later), SourceRefused (a name that this store cannot have) and
    ConfigurationError (a setting or a permission is missing).
    """

    def put(self, location: Location, stream: BinaryIO, *, content_type: str | None = None) -> Stored:
        """Store what the stream has left, all of it or nothing; the stream stays open.

        What was at the location is replaced. An exception of the stream's own comes through as it is.
        """
        ...

    def begin(self, target: Location, content_type: str | None = None) -> str:
        """Begin an upload in parts and return its token, which is good for this target and in any process.

        Nothing is at the target before ``complete``.
        """
        ...

    def put_part(self, target: Location, token: str, number: int, data: bytes | memoryview) -> str:
        """Store one part, of numbers 1 to ``LAST_PART``, and return its etag; the same number again replaces it.

        Raises MediaNotFound where there is no such upload.
        """
        ...

    def parts(self, target: Location, token: str) -> list[Part]:
        """Return what has come of an upload, by number; raises MediaNotFound where there is no such upload."""
        ...

    def part_urls(
        self, target: Location, token: str, sizes: Mapping[int, int], *, expires: timedelta
    ) -> dict[int, str]:
        """Return a URL for each of these numbers, at which anybody can store the part by PUT until it expires.

        The part has just so many bytes as ``sizes`` says; a compatible store that does not hold senders to that keeps
        what they send, and ``parts`` tells.
        """
        ...

    def complete(self, target: Location, token: str, parts: Sequence[tuple[int, str]]) -> Stored:
        """Store at the target what the parts, numbers with etags, are in their order; parts not named are dropped.

        Every part but the last has ``LEAST_PART`` bytes or more. Done again, it returns the same object for as long as
        that is there. Raises MediaNotFound where there is neither such an upload nor its object, and MediaChanged
        where a part is missing or has another etag.
        """
        ...

    def discard(self, target: Location, token: str) -> None:
        """See to it that there is no such upload and none of its parts; an object that it became stays."""
        ...

    def open(self, location: Location, *, start: int = 0, end: int | None = None) -> BinaryIO:
        """Return the bytes from ``start`` up to, but without, ``end``, to be read once and closed.

        Raises MediaNotFound.
        """
        ...

    def seekable(self, location: Location) -> BinaryIO:
        """Return a view of the object that transfers only what is read of it; to be closed.

        Raises MediaNotFound and, while it is read, MediaChanged.
        """
        ...

    def head(self, location: Location) -> Stored:
        """Return what is known of an object; raises MediaNotFound."""
        ...

    def exists(self, location: Location) -> bool:
        """Say whether there is such an object."""
        ...

    def copy(self, source: Location, target: Location, *, etag: str | None) -> Stored:
        """Store the source's bytes at the target too, and return that.

        Raises MediaNotFound, and MediaChanged when an ``etag`` is given and the source has another one.
        """
        ...

    def move(self, source: Location, target: Location, *, etag: str | None) -> Stored:
        """Bring an object to another location and return it; a move that was interrupted is repeated to end it.

        The source only goes once the target is complete. Raises MediaNotFound when the object is at neither place,
        and MediaChanged, leaving both as they are, when the source's etag is not the given one or other bytes are at
        the target.
        """
        ...

    def delete(self, location: Location) -> None:
        """See to it that there is no such object."""
        ...

    def purge(self, location: Location) -> None:
        """See to it that nothing is left of such an object: no version of it, and no name of a folder."""
        ...

    def url(
        self, location: Location, *, expires: timedelta, download_name: str | None = None, media_type: str | None = None
    ) -> str:
        """Return a URL at which anybody can read the object until it expires; the object need not exist.

        With ``download_name`` a browser saves it under that name instead of showing it; ``media_type`` is what the
        answer says that it is.
        """
        ...

    def region(self, bucket: str) -> str | None:
        """Return the AWS region of a bucket, ``None`` where there are no regions; raises MediaNotFound."""
        ...


def find(store: MediaStore, location: Location) -> Stored | None:
    """Return what is known of an object, or ``None`` where there is none."""
    try:
        return store.head(location)
    except MediaNotFound:
        return None


def movable(
    store: MediaStore, source: Location, target: Location, *, etag: str | None, identity: Callable[[Stored], object]
) -> Stored | None:
    """Return the source if it is to be moved, ``None`` if an earlier move has already brought it to the target.

    ``identity`` is what bytes are told apart by. Raises as ``MediaStore.move`` does.
    """
    if (source.bucket, source.key) == (target.bucket, target.key):
        return None
    found, kept = find(store, source), find(store, target)
    if found is None and kept is None:
        raise MediaNotFound(f"there is no {source}, nor {target} to which it might have been moved")
    if found is None:
        return None
    require_etag(found, etag)
    if kept is not None and identity(kept) != identity(found):
        raise MediaChanged(f"{source} is not moved: there are other bytes at {target}")
    return found


def require_etag(found: Stored, etag: str | None) -> None:
    """Raise MediaChanged when an etag is given and the object has another one."""
    if etag is not None and found.etag != etag:
        raise MediaChanged(f"{found.location} is not what it was: its etag is {found.etag}, not {etag}")


def require_number(number: int) -> int:
    """Return a part's number; raises SourceRefused where no part can have it."""
    if not 1 <= number <= LAST_PART:
        raise SourceRefused(f"a part has a number from 1 to {LAST_PART}")
    return number


def ordered(parts: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return parts by number; raises SourceRefused where there are none, or two of one number."""
    numbers = {require_number(number) for number, _ in parts}
    if not parts or len(numbers) != len(parts):
        raise SourceRefused("an upload is complete with one part or more, each of another number")
    return sorted(parts)
