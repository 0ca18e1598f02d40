"""The beginning of a stream as a stream of its own."""

import io
from typing import BinaryIO

_BUFFER = 128 * 1024


def limited(stream: BinaryIO, length: int) -> BinaryIO:
    """Return the next ``length`` bytes of a stream; closing it closes the stream."""
    return io.BufferedReader(_Part(stream, length), _BUFFER)


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
