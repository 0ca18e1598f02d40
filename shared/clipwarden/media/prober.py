"""Probing hostile videos without risk to this process: each in a child of its own, with limits.

A decoder that crashes, loops or is taken over has one video, and nothing else, in its hands.
"""

import base64
import contextlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from clipwarden import errors
from clipwarden.media.forking import Child, ForkServer
from clipwarden.media.store import MediaStore, Stored
from clipwarden.moderation import Facts

#: Seconds that a video may take, reading its bytes included.
PATIENCE = 120.0
#: Videos of one process that are looked at together: what each may cost in memory and time, a host has to have.
AT_ONCE = 4
#: Most that a child may ask for at once, in bytes.
_LONGEST_READ = 1 << 20

_JPEG = b"\xff\xd8\xff"
_ARGV = [sys.executable, "-I", "-m", "clipwarden.media.probing"]
_TOO_HARD = "the file cannot be decoded within the limits of time and memory"
#: What is raised where a child has died, or what it says makes no sense.
_BROKEN = (ConnectionError, ValueError, KeyError, TypeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a video is, and what it looks like."""

    facts: Facts
    poster: bytes | None  #: A small JPEG, where one could be made.


class Prober:
    """Probes videos of a media store; one serves all threads of a process."""

    def __init__(self, media: MediaStore, *, patience: float = PATIENCE, at_once: int = AT_ONCE) -> None:
        self._media = media
        self._patience = patience
        self._places = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._server: ForkServer | None = None
        self._retired: list[ForkServer] = []

    def look(self, stored: Stored) -> Looked:
        """Return what a stored video is, with a poster.

        Raises MediaRefused for what Rekognition would refuse, MediaUnavailable when its bytes cannot be read now.
        """
        with self._place(), self._media.seekable(stored.location) as video:
            server, child = self._fork()
            with child:
                try:
                    facts = _facts(child, video, stored.bytes)
                except TimeoutError as exc:
                    # The decoder's own time is limited, so it was the store that took so long.
                    late = f"reading {stored.location} took longer than {self._patience} s"
                    raise errors.MediaUnavailable(late) from exc
                except _BROKEN as exc:
                    self._retire(server)
                    if not child.spoke:
                        raise errors.MediaUnavailable("no process could be started that probes videos") from exc
                    raise errors.MediaRefused(_TOO_HARD, reason="damaged") from exc
                try:
                    picture = _poster(child, video, stored.bytes)
                except (*_BROKEN, TimeoutError, errors.MediaUnavailable):
                    # A video goes without one rather than wait for it.
                    self._retire(server)
                    picture = None
                return Looked(facts=facts, poster=picture)

    def warm(self) -> None:
        """Start what children are forked from, unless it runs."""
        with self._lock:
            self._serving()

    def close(self) -> None:
        """End what children are forked from."""
        with self._lock:
            servers = self._retired if self._server is None else [*self._retired, self._server]
            self._server, self._retired = None, []
        for server in servers:
            server.close()
            server.wait()

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=self._patience):
            raise errors.MediaUnavailable(f"other videos were probed for longer than {self._patience} s")
        try:
            yield
        finally:
            self._places.release()

    def _fork(self) -> tuple[ForkServer, Child]:
        with self._lock:
            server = self._serving()
            try:
                return server, server.fork(self._patience)
            except ConnectionError as exc:  # It was killed a moment ago.
                raise errors.MediaUnavailable("the process that probes videos has ended") from exc

    def _serving(self) -> ForkServer:
        """Return what children are forked from; the lock is held."""
        self._retired = [server for server in self._retired if server.runs()]
        if self._server is None or not self._server.runs():
            if self._server is not None:
                self._server.close()
            self._server = ForkServer(_ARGV)
        return self._server

    def _retire(self, server: ForkServer) -> None:
        """Fork no more children from where one has crashed: what lies where in its memory may be known by now."""
        with self._lock:
            if self._server is server:
                server.close()
                self._retired.append(server)
                self._server = None


def _facts(child: Child, video: BinaryIO, size: int) -> Facts:
    child.send(f"{size}\n".encode())
    message = _converse(child, video, size)
    if "refused" in message:
        raise errors.MediaRefused(str(message["refused"]), reason=str(message["reason"]))
    return Facts(**message["facts"])


def _poster(child: Child, video: BinaryIO, size: int) -> bytes | None:
    """Return the poster that a child makes after the facts."""
    message = _converse(child, video, size)
    picture = base64.b64decode(message["poster"] or "", validate=True)
    return picture if picture.startswith(_JPEG) else None


def _converse(child: Child, video: BinaryIO, size: int) -> dict[str, Any]:
    """Give a child the bytes that it asks for, and return the first message that is something else."""
    while "read" in (message := child.receive()):
        child.send(_part(video, size, *message["read"]))
    return message


def _part(video: BinaryIO, size: int, offset: int, length: int) -> bytes:
    if not (0 <= offset <= size and 0 < length <= _LONGEST_READ):
        raise ValueError
    video.seek(offset)
    data = video.read(length)
    if len(data) != length:
        raise errors.MediaUnavailable("the video has changed while it was read")
    return data
