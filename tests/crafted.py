"""Videos that no camera made: sound ones whose boxes were forged, to mislead whoever reads them.

The boxes are those of ISO/IEC 14496-12; how each video is taken is what the decoder that we pin makes of it.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

#: The largest number that four bytes hold, and the largest with a sign.
MOST, MOST_SIGNED = 0xFFFFFFFF, 0x7FFFFFFF


def box(kind: bytes, content: bytes) -> bytes:
    """Return a box."""
    return struct.pack(">I4s", len(content) + 8, kind) + content


def forged(data: bytes, kind: bytes, offset: int, *numbers: int) -> bytes:
    """Return a file with other numbers in its first box of a kind, so many bytes after the kind's name."""
    at = data.index(kind) + 4 + offset
    written = struct.pack(f">{len(numbers)}I", *numbers)
    return data[:at] + written + data[at + len(written) :]


def shrunk(data: bytes, kind: bytes, size: int) -> bytes:
    """Return a file whose first box of a kind says that it has another size."""
    at = data.index(kind) - 4
    return data[:at] + struct.pack(">I", size) + data[at + 4 :]


def _zeroed(data: bytes) -> bytes:
    """Return a file whose pictures are nothing but zeros."""
    at = data.index(b"mdat") + 4
    return data[:at] + bytes(len(data) - at)


def _nested(data: bytes) -> bytes:
    """Return a file that begins with boxes within boxes."""
    inner = b""
    for _ in range(5000):
        inner = box(b"moov", inner)
    return data[: data.index(b"moov") - 4] + inner


def _tracks(data: bytes) -> bytes:
    """Return a file with the same track a thousand times."""
    start = data.index(b"moov") - 4
    size = int.from_bytes(data[start : start + 4], "big")
    moov = data[start + 8 : start + size]
    track = moov.index(b"trak") - 4
    length = int.from_bytes(moov[track : track + 4], "big")
    return data[:start] + box(b"moov", moov + moov[track : track + length] * 1000) + data[start + size :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """How a sound video, whose header comes first, becomes one that is not."""

    make: Callable[[bytes], bytes]
    reason: str | None = None  #: Why it is refused; ``None`` where it can be read all the same.


def _at(kind: bytes, offset: int, *numbers: int, reason: str | None = None) -> Forgery:
    return Forgery(make=lambda data: forged(data, kind, offset, *numbers), reason=reason)


def _sized(kind: bytes, size: int, *, reason: str | None = None) -> Forgery:
    return Forgery(make=lambda data: shrunk(data, kind, size), reason=reason)


CRAFTED = {
    "zeroed pictures": Forgery(make=_zeroed, reason="damaged"),
    "a size of nothing": _at(b"avc1", 24, 0),
    "an enormous size": _at(b"avc1", 24, MOST),
    "an enormous size of the track": _at(b"tkhd", 76, MOST, MOST),
    "an endless movie": _at(b"mvhd", 12, 1, MOST),
    "an endless track": _at(b"mdhd", 12, 1, MOST_SIGNED),
    "a track of unknown length": _at(b"mdhd", 12, 1, MOST),
    "no time scale": _at(b"mdhd", 12, 0),
    "samples without number": _at(b"stsz", 8, MOST, reason="container"),
    "samples of one enormous size": _at(b"stsz", 4, MOST_SIGNED, MOST, reason="damaged"),
    "times without number": _at(b"stts", 4, MOST, reason="container"),
    "one time for everything": _at(b"stts", 4, 1, MOST, MOST),
    "chunks without number": _at(b"stco", 4, MOST),
    "chunks past the end": _at(b"stco", 8, MOST, reason="damaged"),
    "keyframes without number": _at(b"stss", 4, MOST, reason="container"),
    "descriptions without number": _at(b"stsd", 4, MOST, reason="container"),
    "a header larger than the file": _sized(b"moov", MOST_SIGNED),
    "a header of nothing": _sized(b"moov", 8),
    "a box smaller than itself": _sized(b"trak", 1, reason="no_video"),
    "boxes within boxes": Forgery(make=_nested, reason="container"),
    "the same track a thousand times": Forgery(make=_tracks, reason="container"),
}
