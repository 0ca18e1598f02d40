"""What failures of the folder store's file system mean, in the project's terms."""

import contextlib
import errno
from collections.abc import Iterator

from clipwarden.errors import ConfigurationError, MediaNotFound, MediaUnavailable, SourceRefused
from clipwarden.moderation import Location

_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV)
_UNUSABLE = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP, errno.EILSEQ)


@contextlib.contextmanager
def faults(location: Location) -> Iterator[None]:
    """Raise what a failure of the file system means, in the project's terms."""
    try:
        yield
    except FileNotFoundError as exc:
        raise MediaNotFound(f"there is no {location}") from exc
    except OSError as exc:
        if exc.errno in _UNUSABLE:
            raise SourceRefused(f"{location} cannot be a file here: {exc.strerror}") from exc
        if exc.errno in _FORBIDDEN:
            raise ConfigurationError(f"no access to {exc.filename}: {exc.strerror}") from exc
        raise MediaUnavailable(f"{location} cannot be reached: {exc.strerror}") from exc
