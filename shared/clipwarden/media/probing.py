"""The process whose children probe one video each and end: ``python -m clipwarden.media.probing``.

A child gets no environment, no file and no network: the bytes come over its connection to the parent, as it asks for
them by ``{"read": [offset, length]}``. The first line it reads is the video's size. After the facts comes the poster,
``null`` where there is none; whatever goes wrong with that, the facts are told.
"""

import base64
import io
import resource
from dataclasses import asdict
from functools import partial

import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from clipwarden.errors import MediaRefused
from clipwarden.media.forked import Parent, serve
from clipwarden.media.poster import poster
from clipwarden.media.probe import probe
from clipwarden.media.ranged import Ranged
from clipwarden.moderation import Facts

#: Bytes of address space, and seconds of processor time, that a video may cost.
MEMORY, SECONDS = 3 << 30, 30
#: Seconds of processor time that the poster may cost beyond that of the facts.
_POSTER_SECONDS = 3
_BLOCK, _KEPT_BLOCKS = 256 << 10, 16


#: What a child may use; it writes no file, and dies without leaving its memory on disk.
LIMITS = {
    resource.RLIMIT_AS: MEMORY,
    resource.RLIMIT_CPU: SECONDS,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
}


def task(parent: Parent) -> None:
    """Probe one video and tell the parent."""
    if not (line := parent.line()):
        return  # The parent has ended without a video for us.
    size = int(line)
    try:
        video = io.BufferedReader(Ranged(size, partial(_ask, parent), block=_BLOCK, kept=_KEPT_BLOCKS))
        probe(video, size, partial(_tell_all, parent))
    except MediaRefused as exc:
        parent.tell({"refused": str(exc), "reason": exc.reason})


def _tell_all(parent: Parent, facts: Facts, container: InputContainer, video: VideoStream) -> None:
    parent.tell({"facts": asdict(facts)})
    spent = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + 1
    most = min(SECONDS, spent + _POSTER_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    try:
        picture = poster(container, video)
    except (av.error.FFmpegError, ValueError, MemoryError):
        picture = None
    parent.tell({"poster": base64.b64encode(picture).decode() if picture is not None else None})


def _ask(parent: Parent, start: int, end: int) -> bytes:
    length = end - start
    parent.tell({"read": [start, length]})
    data = parent.read(length)
    if len(data) != length:
        raise EOFError("the parent has ended")
    return data


if __name__ == "__main__":
    serve(task, LIMITS)
