"""A part of something as a stream of its own."""

import io
from typing import BinaryIO

_BUFFER = 128 * 1024


def limited(stream: BinaryIO, length: int) -> BinaryIO:
    """Return the next ``length`` bytes of a stream; closing it closes the stream."""
    return io.BufferedReader(_Part(stream, length), _BUFFER)


def viewed(data: memoryview) -> BinaryIO:
    """Return bytes as a stream that can be read again, without copying them as ``io.BytesIO`` does."""
    return io.BufferedReader(_View(data), _BUFFER)


class _Part(io.RawIOBase):
    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream = stream
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override] # narrower, as io's own
        data = self._stream.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _View(io.RawIOBase):
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override] # narrower, as io's own
        data = self._data[self._at : self._at + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
