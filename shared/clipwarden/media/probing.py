"""The child process that probes one video and ends: ``python -m clipwarden.media.probing``.

It gets no environment, no file and no network: the bytes come over its standard input, as it asks for them on its
standard output. Each message to the parent is a line of JSON, ``{"read": [offset, length]}`` or a result; the parent
answers with the bytes. The first line it reads is the video's size. After the facts comes the poster, ``null`` where
there is none; whatever goes wrong with that, the facts are told.
"""

import base64
import io
import json
import resource
import sys
from dataclasses import asdict
from typing import Any

import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from clipwarden.errors import MediaRefused
from clipwarden.media.poster import poster
from clipwarden.media.probe import probe
from clipwarden.media.ranged import Ranged
from clipwarden.moderation import Facts

#: Bytes of address space, and seconds of processor time, that a video may cost.
MEMORY, SECONDS = 3 << 30, 30
#: Seconds of processor time that the poster may cost beyond that of the facts.
_POSTER_SECONDS = 3
_BLOCK, _KEPT_BLOCKS = 256 << 10, 16


def main() -> None:
    """Probe one video and tell the parent."""
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    line = sys.stdin.buffer.readline()
    if not line:
        return  # The parent has ended without a video for us.
    size = int(line)
    try:
        video = io.BufferedReader(Ranged(size, _ask, block=_BLOCK, kept=_KEPT_BLOCKS))
        probe(video, size, _tell_all)
    except MediaRefused as exc:
        _tell({"refused": str(exc), "reason": exc.reason})


def _tell_all(facts: Facts, container: InputContainer, video: VideoStream) -> None:
    _tell({"facts": asdict(facts)})
    spent = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime) + 1
    most = min(SECONDS, spent + _POSTER_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    try:
        picture = poster(container, video)
    except (av.error.FFmpegError, ValueError, MemoryError):
        picture = None
    _tell({"poster": base64.b64encode(picture).decode() if picture is not None else None})


def _ask(start: int, end: int) -> bytes:
    length = end - start
    _tell({"read": [start, length]})
    data = sys.stdin.buffer.read(length)
    if len(data) != length:
        sys.exit("the parent has ended")
    return data


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
