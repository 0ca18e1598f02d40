"""Names of buckets and keys that a store takes; anything else is refused before it is used."""

import re

from clipwarden.errors import SourceRefused
from clipwarden.moderation import Location

#: Of S3 and of Rekognition: both take at most so many bytes of UTF-8.
LONGEST_KEY = 1024
#: What most file systems take as the name of one file, in bytes.
_LONGEST_SEGMENT = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: Rekognition's pattern, less names that begin like hidden files.
_BUCKET = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{2,254}")


def check(location: Location) -> Location:
    """Return the location if S3 could have an object of such a name; raises SourceRefused."""
    if not _BUCKET.fullmatch(location.bucket):
        raise SourceRefused("a bucket's name has 3 to 255 letters, digits, dots, hyphens and underscores")
    if not 1 <= len(_utf8(location.key)) <= LONGEST_KEY or _CONTROL.search(location.key):
        raise SourceRefused(f"a key has 1 to {LONGEST_KEY} bytes of UTF-8, and no control characters")
    if location.version is not None and not re.fullmatch(r"[!-~]{1,1024}", location.version):
        raise SourceRefused("a version id has 1 to 1024 visible ASCII characters")
    return location


def segments(location: Location) -> list[str]:
    """Return the key's parts as names of folders and a file, none of which leads upwards; raises SourceRefused."""
    parts = check(location).key.split("/")
    for part in parts:
        if part in {"", ".", ".."} or len(_utf8(part)) > _LONGEST_SEGMENT:
            raise SourceRefused(
                f"a key's parts between slashes have 1 to {_LONGEST_SEGMENT} bytes and are neither '.' nor '..'"
            )
    return parts


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise SourceRefused("a key is text that can be written as UTF-8") from exc
