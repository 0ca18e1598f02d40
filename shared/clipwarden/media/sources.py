"""Where a video comes from, as a producer says it: text from outside, read without trust."""

import re
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

from clipwarden.errors import MediaNotFound, SourceRefused
from clipwarden.media import names
from clipwarden.moderation import Location
from clipwarden.settings import MediaSettings

#: Characters; longer than any URL that browsers and servers agree on, or any key.
_LONGEST = 8192
_VERSIONED = re.compile(r"(?P<key>.*)\?versionId=(?P<version>[^?]*)", re.DOTALL)
_ACCEPTED = "a source is s3://BUCKET/KEY, http(s)://…, or file:///PATH below an import root"


def parse_source(text: str, settings: MediaSettings) -> Location | Path | str:
    """Return an object, a file that may be read, or an http(s) URL as it is, not yet checked.

    A key is taken literally; ``?versionId=V`` at its end pins a version. Raises SourceRefused, and MediaNotFound for a
    file below an import root that does not exist.
    """
    scheme, colon, rest = text.partition("://")
    if not colon or len(text) > _LONGEST:
        raise SourceRefused(_ACCEPTED)
    match scheme.lower():
        case "s3":
            return _object(rest)
        case "file":
            return _file(text, settings.import_roots)
        case "http" | "https":
            return text
        case _:
            raise SourceRefused(_ACCEPTED)


def _object(rest: str) -> Location:
    bucket, _, key = rest.partition("/")
    if pinned := _VERSIONED.fullmatch(key):
        return names.check(Location(bucket=bucket, **pinned.groupdict()))
    return names.check(Location(bucket=bucket, key=key))


def _file(text: str, roots: tuple[Path, ...]) -> Path:
    try:
        parts = urlsplit(text)
        path = Path(unquote(parts.path, errors="strict"))
        if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment or not path.is_absolute():
            raise SourceRefused(_ACCEPTED)
        resolved = path.resolve()
        inside = any(resolved.is_relative_to(root.resolve()) for root in roots)
    except (ValueError, OSError, RuntimeError) as exc:  # A NUL, what is not UTF-8, a loop of links.
        raise SourceRefused(_ACCEPTED) from exc
    # The same answer for what is elsewhere, whether or not it exists.
    if not inside:
        raise SourceRefused("the file is not below a folder that CLIPWARDEN_MEDIA__IMPORT_ROOTS names")
    return _regular(resolved)


def _regular(path: Path) -> Path:
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        raise MediaNotFound(f"the file cannot be read: {exc.strerror}") from exc
    if not stat.S_ISREG(mode):
        raise SourceRefused("the source is a folder or a device, not a file")
    return path
