"""Pictures from a video file: two a second, decoded in sequence, from H.264 in MP4 or MOV and nothing else.

What is readable of a damaged file is used. Container metadata is never looked at: it may hold where a person lives.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from clipwarden_local.analysis.outcome import VideoMetadata

Picture = NDArray[np.uint8]  #: Height x width x RGB.

#: Rekognition's stored-video results come about two a second.
SAMPLE_MS = 500
_LEAST_SIDE = 80
_MOST_PIXELS = 40_000_000  # a little over 8K
_LONGEST_MS = 6 * 3_600_000
#: The models look at 224 x 224; what is shrunk once to this shorter side loses nothing by it.
_WORKING_SIDE = 448
_UNSUPPORTED = "Unsupported codec/format."
_FULL_RANGE = 2


class UnreadableVideo(Exception):
    """Raised when nothing of a file can be analysed; the message is the job's status message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One sampled picture."""

    timestamp_ms: int
    picture: Picture


class Video:
    """An open video file."""

    def __init__(self, path: Path) -> None:
        """Open the file; raises UnreadableVideo for what Rekognition would not take."""
        try:
            # The forced demuxer keeps out playlists and scripts, which name other files and hosts.
            self._container = av.open(
                str(path),
                format="mp4",
                metadata_errors="replace",
                timeout=(10, 10),
                options={"protocol_whitelist": "file"},
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise UnreadableVideo(_UNSUPPORTED) from error
        try:
            self._stream = self._check()
        except BaseException:
            self._container.close()
            raise
        self._end_ms = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._container.close()

    def frames(self) -> Iterator[Frame]:
        """Yield a picture every half second, in order; raises UnreadableVideo when not one can be decoded."""
        due_ms, seen = 0.0, 0
        for frame, time_ms in self._decoded():
            self._end_ms = max(self._end_ms, time_ms)
            if time_ms >= due_ms:
                due_ms = (time_ms // SAMPLE_MS + 1) * SAMPLE_MS
                seen += 1
                yield Frame(timestamp_ms=round(time_ms), picture=_picture(frame))
        if not seen:
            raise UnreadableVideo("The video is damaged: no frame of it could be decoded.")

    def metadata(self) -> VideoMetadata:
        """Return the facts of the file; to be asked after its frames."""
        rate = float(self._rate())
        stated_ms = (self._container.duration or 0) / 1000
        # A stated length is only a hint and easily forged.
        duration_ms = stated_ms if 0 < stated_ms <= _LONGEST_MS else self._end_ms + 1000 / rate
        context = self._stream.codec_context
        return VideoMetadata(
            codec=context.name,
            duration_ms=round(duration_ms),
            frame_rate=round(rate, 3),
            frame_width=context.width,
            frame_height=context.height,
            color_range="FULL" if context.color_range == _FULL_RANGE else "LIMITED",
        )

    def _check(self) -> Any:
        streams = self._container.streams.video
        if not streams or streams[0].codec_context.name != "h264":
            raise UnreadableVideo(_UNSUPPORTED)
        context = streams[0].codec_context
        if min(context.width, context.height) < _LEAST_SIDE:
            raise UnreadableVideo(f"The video is smaller than {_LEAST_SIDE} x {_LEAST_SIDE} pixels.")
        if context.width * context.height > _MOST_PIXELS:
            raise UnreadableVideo("The pictures of the video are too large.")
        # Frames that no other is built on are skipped: sampling rarely wants them, and decoding is the cost.
        context.skip_frame = "NONREF"
        context.thread_count = 1
        return streams[0]

    def _rate(self) -> Fraction:
        return self._stream.average_rate or self._stream.guessed_rate or Fraction(25)

    def _decoded(self) -> Iterator[tuple[Any, float]]:
        start_ms = float((self._stream.start_time or 0) * (self._stream.time_base or 0)) * 1000
        for count, frame in enumerate(self._readable()):
            time_ms = count * 1000 / float(self._rate()) if frame.time is None else frame.time * 1000 - start_ms
            if time_ms > _LONGEST_MS:
                return
            yield frame, max(0.0, time_ms)

    def _readable(self) -> Iterator[Any]:
        """Decode packet by packet: a damaged one costs itself, not the rest of the file."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                continue


def resize(picture: Picture, width: int, height: int) -> Picture:
    """Return the picture at another size, smoothed where that is smaller."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return _pixels(frame.reformat(width=width, height=height, interpolation="LANCZOS"))


def _picture(frame: Any) -> Picture:
    """Return the frame as a player shows it, shrunk to the working size."""
    scale = min(1.0, _WORKING_SIDE / min(frame.width, frame.height))
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    picture = _pixels(frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA"))
    return np.rot90(picture, round(frame.rotation / 90))


def _pixels(frame: Any) -> Picture:
    pixels: Picture = frame.to_ndarray()
    return pixels
