"""What a video is, and whether Rekognition would analyse it: asked before any paid call.

Rekognition Video takes H.264 in MP4 or MOV of at most 10 GB and 6 hours
(https://docs.aws.amazon.com/rekognition/latest/dg/limits.html). A truncated file whose beginning can be decoded is
taken: Rekognition, too, gets to see what is readable.
"""

from collections.abc import Callable
from typing import BinaryIO

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from clipwarden.errors import MediaRefused
from clipwarden.moderation import Facts

MAX_BYTES = 10 * 1024**3
MAX_HOURS = 6
#: Least width and height, in pixels.
MIN_SIDE = 80
#: Most pixels of a frame; H.264's highest level has fewer.
MAX_PIXELS = 8192 * 4352
#: Packets that are tried before a file counts as one from which no frame can be decoded.
_PACKETS = 200


def probe(
    stream: BinaryIO, size: int, then: Callable[[Facts, InputContainer, VideoStream], None] | None = None
) -> Facts:
    """Return a video's facts; ``stream`` is read at will, ``size`` is its length in bytes.

    ``then`` is given them with the video, still open. Raises MediaRefused, with a reason for a person, for what
    Rekognition would refuse or cannot be decoded.
    """
    if size == 0:
        raise MediaRefused("the file is empty", reason="empty")
    if size > MAX_BYTES:
        raise MediaRefused(f"the file has {size:,} bytes; at most 10 GB can be analysed", reason="too_large")
    try:
        with _open(stream) as container:
            facts = _facts(container)
            if then is not None:
                then(facts, container, _video(container))
            return facts
    except av.error.FFmpegError as exc:
        raise MediaRefused(f"the file is damaged: {exc.strerror}", reason="damaged") from exc


def _open(stream: BinaryIO) -> InputContainer:
    try:
        # The demuxer is forced: playlists and the like would have others opened in their turn.
        return av.open(stream, mode="r", format="mov", metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as exc:
        raise MediaRefused("the file is not a readable MP4 or MOV video", reason="container") from exc


def _facts(container: InputContainer) -> Facts:
    video = _video(container)
    codec = video.codec_context.name
    if codec != "h264":
        raise MediaRefused(f"the video is coded as {codec}; only H.264 can be analysed", reason="codec")
    _check_size(video.codec_context.width, video.codec_context.height)
    duration_ms = _duration_ms(container, video)
    if duration_ms > MAX_HOURS * 3_600_000:
        raise MediaRefused(f"the video is longer than {MAX_HOURS} hours", reason="too_long")
    frame = _first_frame(container, video)
    _check_size(frame.width, frame.height)
    rotation = round(frame.rotation) % 360
    turned = rotation in (90, 270)
    return Facts(
        container="mov" if container.metadata.get("major_brand", "").startswith("qt") else "mp4",
        codec=codec,
        duration_ms=duration_ms,
        width=frame.height if turned else frame.width,
        height=frame.width if turned else frame.height,
        frame_rate=round(float(video.average_rate or video.guessed_rate or 0), 3),
        rotation=rotation,
        has_audio=bool(container.streams.audio),
    )


def _video(container: InputContainer) -> VideoStream:
    # A cover picture is a video stream too, of a single image.
    moving = [stream for stream in container.streams.video if not stream.disposition & stream.disposition.attached_pic]
    if not moving:
        raise MediaRefused("the file has no video stream", reason="no_video")
    if moving[0].codec_context is None:
        raise MediaRefused("the video's codec is not known; only H.264 can be analysed", reason="codec")
    return moving[0]


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise MediaRefused(
            f"the video is {width} x {height} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed",
            reason="too_small",
        )
    if width * height > MAX_PIXELS:
        raise MediaRefused(f"the video is {width} x {height} pixels, more than H.264 allows", reason="too_large")


def _duration_ms(container: InputContainer, video: VideoStream) -> int:
    if video.duration is not None and video.time_base is not None:
        return max(0, round(video.duration * video.time_base * 1000))
    return max(0, (container.duration or 0) // 1000)


def _first_frame(container: InputContainer, video: VideoStream) -> av.VideoFrame:
    for number, packet in enumerate(container.demux(video)):
        if number >= _PACKETS:
            break
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue  # A damaged packet need not spoil the next.
        for frame in frames:
            if isinstance(frame, av.VideoFrame):
                return frame
    raise MediaRefused("no frame of the video can be decoded", reason="damaged")
