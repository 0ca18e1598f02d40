"""A poster: a small picture of a frame, to recognise a video by."""

from fractions import Fraction
from typing import cast

import av
import av.filter
from av.container import InputContainer
from av.video.stream import VideoStream

#: Pixels of the longer side, and bytes at most.
SIDE, MOST = 320, 40_000
#: How far into the video the frame is: the first one is often black.
_INTO = 0.1
#: From 2, the best, to 31.
_QUALITY = 6
#: Of a quarter turn counter-clockwise, of two and of three.
_TURNS = {90: ("transpose", "cclock"), 180: ("rotate", "PI"), 270: ("transpose", "clock")}


def poster(container: InputContainer, video: VideoStream) -> bytes | None:
    """Return a frame as JPEG, upright; ``None`` where none can be decoded. Raises what the decoder raises."""
    if container.duration:
        container.seek(int(container.duration * _INTO))
    frame = next(container.decode(video), None)
    if frame is None:
        return None
    return _jpeg(_upright(frame))


def _upright(frame: av.VideoFrame) -> av.VideoFrame:
    share = min(1.0, SIDE / max(frame.width, frame.height))
    width, height = (max(2, round(side * share / 2) * 2) for side in (frame.width, frame.height))
    small = frame.reformat(width=width, height=height, format="yuvj420p")
    if (turn := _TURNS.get(round(frame.rotation) % 360)) is None:
        return small
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format=small.format, time_base=Fraction(1, 25))
    turned, sink = graph.add(*turn), graph.add("buffersink")
    source.link_to(turned)
    turned.link_to(sink)
    graph.configure()
    small.pts, small.time_base = 0, Fraction(1, 25)
    graph.push(small)
    return cast("av.VideoFrame", graph.pull())


def _jpeg(frame: av.VideoFrame) -> bytes | None:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.qmin = encoder.qmax = _QUALITY
    frame.pts = 0
    data = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    return data if len(data) <= MOST else None
