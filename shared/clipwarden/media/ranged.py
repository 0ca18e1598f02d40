"""A file-like view of bytes that are elsewhere."""

import io
from collections import OrderedDict
from collections.abc import Callable


class Ranged(io.RawIOBase):
    """Reads ``size`` bytes through ``fetch(start, end)``, in whole blocks of which the latest used are kept.

    ``fetch`` returns exactly the bytes from ``start`` up to, but without, ``end``.
    """

    def __init__(self, size: int, fetch: Callable[[int, int], bytes], *, block: int = 1 << 20, kept: int = 8) -> None:
        self._size = size
        self._fetch = fetch
        self._block = block
        self._kept = kept
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._position = 0

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def seekable(self) -> bool:
        """Return that it is."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position, which may be beyond the end, and return it."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError("a position before the beginning")
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override] # narrower, as io's own
        """Read at most to the end of one block."""
        if self._position >= self._size:
            return 0
        number, offset = divmod(self._position, self._block)
        data = self._at(number)[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _at(self, number: int) -> bytes:
        if number not in self._blocks:
            start = number * self._block
            self._blocks[number] = self._fetch(start, min(start + self._block, self._size))
            if len(self._blocks) > self._kept:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]
