"""Probing hostile videos without risk to this process: each in a child of its own, with limits.

A decoder that crashes, loops or is taken over has one video, and nothing else, in its hands. The next child is started
ahead of time, so that nobody waits for it.
"""

import base64
import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any, BinaryIO

from clipwarden import errors
from clipwarden.media.store import MediaStore, Stored
from clipwarden.moderation import Facts

#: Seconds that a video may take, reading its bytes included.
PATIENCE = 120.0
#: Longest line that a child may send, in bytes.
_LONGEST_LINE = 64 << 10
#: Most that a child may ask for at once, in bytes.
_LONGEST_READ = 1 << 20

_JPEG = b"\xff\xd8\xff"
_ARGV = [sys.executable, "-I", "-m", "clipwarden.media.probing"]
_TOO_HARD = "the file cannot be decoded within the limits of time and memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a video is, and what it looks like."""

    facts: Facts
    poster: bytes | None  #: A small JPEG, where one could be made.


class Prober:
    """Probes videos of a media store; one serves all threads of a process."""

    def __init__(self, media: MediaStore, *, patience: float = PATIENCE) -> None:
        self._media = media
        self._patience = patience
        self._lock = threading.Lock()
        self._spare: subprocess.Popen[bytes] | None = None
        self._closed = False

    def probe(self, stored: Stored) -> Facts:
        """Return what a stored video is; raises what ``look`` does."""
        return self._ask(stored, poster=False).facts

    def look(self, stored: Stored) -> Looked:
        """Return what a stored video is, with a poster.

        Raises MediaRefused for what Rekognition would refuse, MediaUnavailable when its bytes cannot be read now.
        """
        return self._ask(stored, poster=True)

    def _ask(self, stored: Stored, *, poster: bool) -> Looked:
        child = self._take()
        late = threading.Event()
        timer = threading.Timer(self._patience, _give_up, (child, late))
        timer.start()
        try:
            with self._media.seekable(stored.location) as video:
                facts = _facts(child, video, stored.bytes)
                return Looked(facts=facts, poster=_poster(child, video, stored.bytes) if poster else None)
        except errors.MediaRefused as exc:
            if late.is_set():  # The decoder's own time is limited, so it was the store that took so long.
                raise errors.MediaUnavailable(f"reading {stored.location} took longer than {self._patience} s") from exc
            raise
        finally:
            timer.cancel()
            _end(child)

    def warm(self) -> None:
        """Start a spare child, unless there is one."""
        with self._lock:
            if self._spare is None and not self._closed:
                self._spare = _start()

    def close(self) -> None:
        """End the spare child."""
        with self._lock:
            self._closed = True
            if self._spare is not None:
                _end(self._spare)
                self._spare = None

    def _take(self) -> subprocess.Popen[bytes]:
        with self._lock:
            child, self._spare = self._spare, None
        if child is None or child.poll() is not None:
            if child is not None:
                _end(child)
            child = _start()
        self.warm()
        return child


def _facts(child: subprocess.Popen[bytes], video: BinaryIO, size: int) -> Facts:
    try:
        _send(child, f"{size}\n".encode())
        return _result(_converse(child, video, size))
    except (BrokenPipeError, ValueError, KeyError, TypeError) as exc:
        # It died, or what it says makes no sense: either way this video is not to be decoded.
        raise errors.MediaRefused(_TOO_HARD, reason="damaged") from exc


def _poster(child: subprocess.Popen[bytes], video: BinaryIO, size: int) -> bytes | None:
    """Return the poster that a child makes after the facts; a video goes without one rather than wait for it."""
    try:
        message = _converse(child, video, size)
        picture = base64.b64decode(message["poster"] or "", validate=True)
    except (BrokenPipeError, ValueError, KeyError, TypeError, errors.MediaUnavailable):
        return None
    return picture if picture.startswith(_JPEG) else None


def _converse(child: subprocess.Popen[bytes], video: BinaryIO, size: int) -> dict[str, Any]:
    """Give a child the bytes that it asks for, and return the first message that is something else."""
    while "read" in (message := _receive(child)):
        _send(child, _part(video, size, *message["read"]))
    return message


def _part(video: BinaryIO, size: int, offset: int, length: int) -> bytes:
    if not (0 <= offset <= size and 0 < length <= _LONGEST_READ):
        raise ValueError
    video.seek(offset)
    data = video.read(length)
    if len(data) != length:
        raise errors.MediaUnavailable("the video has changed while it was read")
    return data


def _start() -> subprocess.Popen[bytes]:
    # No environment: a decoder that is taken over finds no credentials. When we end, its input ends, and so does it.
    return subprocess.Popen(
        _ARGV, env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _give_up(child: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    child.kill()


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                continue  # What it did not read is of no use to it any more.


def _send(child: subprocess.Popen[bytes], data: bytes) -> None:
    if child.stdin is None:
        raise BrokenPipeError
    child.stdin.write(data)
    child.stdin.flush()


def _receive(child: subprocess.Popen[bytes]) -> dict[str, Any]:
    line = child.stdout.readline(_LONGEST_LINE) if child.stdout is not None else b""
    if not line.endswith(b"\n"):
        raise BrokenPipeError
    message = json.loads(line)
    if not isinstance(message, dict):
        raise TypeError
    return message


def _result(message: dict[str, Any]) -> Facts:
    if "refused" in message:
        raise errors.MediaRefused(str(message["refused"]), reason=str(message["reason"]))
    return Facts(**message["facts"])
