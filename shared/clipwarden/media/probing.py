"""The child process that probes one video and ends: ``python -m clipwarden.media.probing``.

It gets no environment, no file and no network: the bytes come over its standard input, as it asks for them on its
standard output. Each message to the parent is a line of JSON, ``{"read": [offset, length]}`` or the result; the parent
answers with the bytes. The first line it reads is the video's size.
"""

import io
import json
import resource
import sys
from dataclasses import asdict
from typing import Any

from clipwarden.errors import MediaRefused
from clipwarden.media.probe import probe

#: Bytes of address space, and seconds of processor time, that a video may cost.
MEMORY, SECONDS = 3 << 30, 30
_BLOCK = 256 << 10
_KEPT_BLOCKS = 16


class Remote(io.RawIOBase):
    """The video, read from the parent block by block."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read anywhere."""
        return True

    def tell(self) -> int:
        """Return the present offset."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read from the present offset to the end of its block."""
        if self._at >= self._size:
            return 0
        block, skip = divmod(self._at, _BLOCK)
        part = self._block(block)[skip : skip + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) >= _KEPT_BLOCKS:
                self._blocks.pop(next(iter(self._blocks)))
            offset = number * _BLOCK
            self._blocks[number] = _ask(offset, min(_BLOCK, self._size - offset))
        return self._blocks[number]


def main() -> None:
    """Probe one video and tell the parent."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    line = sys.stdin.buffer.readline()
    if not line:
        return  # The parent has ended without a video for us.
    size = int(line)
    try:
        _tell({"facts": asdict(probe(io.BufferedReader(Remote(size)), size))})
    except MediaRefused as exc:
        _tell({"refused": str(exc), "reason": exc.reason})


def _ask(offset: int, length: int) -> bytes:
    _tell({"read": [offset, length]})
    data = sys.stdin.buffer.read(length)
    if len(data) != length:
        sys.exit("the parent has ended")
    return data


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
