"""Make the sample videos that are zooms into a photograph: ``python -m clipwarden_local.samples.build PHOTO OUTDIR``.

PHOTO is Wine_by_Jakkub_Mede.jpg; see ``ATTRIBUTION.md``.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from clipwarden_local.analysis.frames import Picture, resize

_RATE = 25
_WIDTH, _HEIGHT = 640, 360
#: Windows are given on the photograph as if it were this wide.
_UNIT_WIDTH = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A 16:9 part of the photograph, on the photograph as if it were 600 wide."""

    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoom:
    """A clip that moves from one window to another."""

    name: str
    start: Window
    end: Window
    seconds: float  #: Length of the clip.
    still_seconds: float  #: How long it rests at the start, and at least at the end.


ZOOMS = (
    Zoom(
        name="wine.mp4",
        start=Window(x=0, y=60, width=600),
        end=Window(x=150, y=110, width=230),
        seconds=8,
        still_seconds=2,
    ),
    Zoom(
        name="drum.mp4",
        start=Window(x=0, y=415, width=600),
        end=Window(x=216, y=595, width=168),
        seconds=6,
        still_seconds=1.5,
    ),
)


def main(photo: Path, folder: Path) -> None:
    """Write all zooms into the folder."""
    with av.open(str(photo)) as container:
        picture: Any = next(container.decode(video=0)).to_ndarray(format="rgb24")
    for zoom in ZOOMS:
        _write(folder / zoom.name, zoom, picture)


def _write(path: Path, zoom: Zoom, picture: Picture) -> None:
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=_RATE, options={"crf": "26", "preset": "slow", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, _RATE)
        for packet in _packets(stream, zoom, picture):
            container.mux(packet)


def _packets(stream: Any, zoom: Zoom, picture: Picture) -> Iterator[Any]:
    for number in range(round(zoom.seconds * _RATE)):
        frame = av.VideoFrame.from_ndarray(_crop(picture, _at(zoom, number / _RATE)), format="rgb24")
        yield from stream.encode(frame)
    yield from stream.encode()


def _at(zoom: Zoom, second: float) -> Window:
    """Return where the zoom is: moving evenly between its two rests."""
    moving = zoom.seconds - 2 * zoom.still_seconds
    part = min(1.0, max(0.0, (second - zoom.still_seconds) / moving))
    start, end = zoom.start, zoom.end
    return Window(
        x=start.x + part * (end.x - start.x),
        y=start.y + part * (end.y - start.y),
        width=start.width + part * (end.width - start.width),
    )


def _crop(picture: Picture, window: Window) -> Picture:
    scale = picture.shape[1] / _UNIT_WIDTH
    width, height = round(window.width * scale), round(window.width * scale * _HEIGHT / _WIDTH)
    top, left = round(window.y * scale), round(window.x * scale)
    part = picture[top : top + height, left : left + width]
    return np.ascontiguousarray(resize(part, _WIDTH, _HEIGHT))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
