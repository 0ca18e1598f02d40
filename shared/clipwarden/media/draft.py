"""A part of the folder store on its way in: a file of its own, which becomes the part once all of it is there."""

import contextlib
import os
from contextlib import AbstractContextManager
from pathlib import Path

from clipwarden.media import durable, etags, partials
from clipwarden.media.folder_faults import faults
from clipwarden.moderation import Location


class PartDraft:
    """Takes a part's bytes piece by piece; what was not kept when it is closed is gone.

    Its calls may come from several threads, one after the other, and raise what the store's methods do.
    """

    def __init__(self, target: Location, draft: AbstractContextManager[Path], part: Path) -> None:
        """Write to the file that ``draft`` names, which is to become ``part``."""
        self._target, self._part = target, part
        with faults(target), contextlib.ExitStack() as opened:
            self._path = opened.enter_context(draft)
            self._file = opened.enter_context(self._path.open("xb"))
            self._opened = opened.pop_all()
        self._digest, self._bytes = etags.digest(), 0

    def write(self, data: bytes | memoryview) -> None:
        """Take some bytes."""
        self._digest.update(data)
        self._bytes += len(data)
        with faults(self._target):
            self._file.write(data)

    def keep(self) -> str:
        """Make of what came the part of its number, durably, and return its etag."""
        md5 = self._digest.hexdigest()
        with faults(self._target):
            self._file.flush()
            os.fsync(self._file.fileno())
            etags.keep(self._file.fileno(), md5)
            self._path.replace(self._part)
            durable.sync(self._part.parent)
        return partials.etag(md5, self._bytes)

    def close(self) -> None:
        """Remove what was not kept."""
        with faults(self._target):
            self._opened.close()
