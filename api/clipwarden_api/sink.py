"""A file on its way from a request's body into the media store, in bounded memory."""

import asyncio
import hashlib
import mmap
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from clipwarden import logs
from clipwarden.errors import ClipwardenError, MediaRefused
from clipwarden.media import etags
from clipwarden.media.part import viewed
from clipwarden.media.store import LEAST_PART, MediaStore, Stored
from clipwarden.moderation import Location
from clipwarden_api.room import PART, Room

T = TypeVar("T")

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An upload in parts that is begun and completed elsewhere, of which one request brings some parts."""

    token: str
    first: int  #: The number of the request's first part.


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What a request brought."""

    bytes: int
    sha256: str
    md5: str
    stored: Stored | None  #: The object; ``None`` within a session.
    parts: tuple[tuple[int, str], ...]  #: Numbers and etags, for the session.


class Sink:
    """Takes one file's bytes and sends them on in parts.

    The target is this upload's own: nobody else writes there. Every write may raise what goes wrong in the media store,
    Overloaded, and MediaRefused past the limit; then, as in any other failure, the sink is discarded.
    """

    def __init__(
        self,
        room: Room,
        store: MediaStore,
        target: Location,
        *,
        limit: int,
        lanes: int,
        content_type: str | None = None,
        session: Session | None = None,
    ) -> None:
        """Take ``limit`` bytes at most, and send up to ``lanes`` parts at once."""
        self._room, self._store, self._target = room, store, target
        self._limit, self._lanes, self._content_type, self._session = limit, lanes, content_type, session
        self._token = session.token if session else None
        self._number = session.first if session else 1
        # What stays of a session's request is what S3 takes as a part, for the next one goes on after it.
        self._stays = LEAST_PART if session else 0
        self._buffer, self._filled = memoryview(b""), 0
        self._count = 0
        self._sha256, self._md5 = hashlib.sha256(), etags.digest()
        self._parts: list[tuple[int, str]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._stored: Stored | None = None
        self._entered = self._storing = self._ended = False

    @property
    def target(self) -> Location:
        """Return where the file goes."""
        return self._target

    async def write(self, data: bytes | bytearray) -> None:
        """Take some bytes; waits while the store is slower than the client."""
        self._count += len(data)
        if self._count > self._limit:
            raise MediaRefused(f"File size too large. Got {self._count}. Maximum is {self._limit}.", reason="too_large")
        left = memoryview(data)
        while left:
            if not self._entered:
                await self._room.enter()
                self._entered, self._buffer = True, self._make()
            elif self._filled == len(self._buffer):
                await self._send(PART)
            taken = left[: len(self._buffer) - self._filled]
            self._buffer[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            left = left[len(taken) :]

    async def finish(self) -> Received:
        """Store what is left and return what came; from then on, discarding does nothing.

        Raises MediaRefused for a file without bytes.
        """
        if not self._count:
            raise MediaRefused("Empty file", reason="empty")
        if self._token is None:
            rest = self._buffer[: self._filled]
            await self._room.run(self._digest, rest)
            await self._do(self._put(rest))
        else:
            await self._send(self._filled)
            await asyncio.gather(*map(asyncio.shield, self._tasks))
            await self._do(self._complete())
        self._end()
        return self._received()

    async def discard(self) -> None:
        """See to it that nothing of an unfinished file is left; goes on to its end even if the caller is cancelled."""
        if not self._ended:
            self._ended = True
            await asyncio.shield(self._room.start(self._undo()))

    def _make(self) -> memoryview:
        """Map memory that is taken as it is filled, and goes back to the system as soon as nobody refers to it."""
        return memoryview(mmap.mmap(-1, PART + self._stays))

    async def _send(self, size: int) -> None:
        """Send the buffer's beginning; what it has beyond that begins the next one."""
        part, rest = self._buffer[:size], self._buffer[size : self._filled]
        await self._room.run(self._digest, part)
        for task in [task for task in self._tasks if task.done()]:
            task.result()  # A lane that failed ends the upload.
            self._tasks.remove(task)
        if self._token is None:
            await self._do(self._begin())
        beside = len(self._tasks) < self._lanes - 1 and await self._room.extend()
        task = self._room.start(self._put_part(self._number, part, beside=beside))
        self._tasks.append(task)
        self._number += 1
        if beside:
            self._buffer = self._make()
        else:
            await asyncio.shield(task)
        self._buffer[: len(rest)] = rest
        self._filled = len(rest)

    async def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for work that leaves something behind, and so must be known of even if nobody waits any more."""
        task = self._room.start(work)
        self._tasks.append(task)
        return await asyncio.shield(task)

    async def _begin(self) -> None:
        self._token = await self._room.run(self._store.begin, self._target, self._content_type)

    async def _put_part(self, number: int, part: memoryview, *, beside: bool) -> None:
        try:
            etag = await self._room.run(self._store.put_part, self._target, self._token or "", number, part)
            self._parts.append((number, etag))
        finally:
            if beside:
                self._room.leave()

    async def _put(self, data: memoryview) -> None:
        self._storing = True
        self._stored = await self._room.run(
            self._store.put, self._target, viewed(data), content_type=self._content_type
        )

    async def _complete(self) -> None:
        if self._session is None:
            self._storing = True
            self._stored = await self._room.run(self._store.complete, self._target, self._token or "", self._parts)

    async def _undo(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            if self._token is not None and self._session is None:
                await self._room.run(self._store.discard, self._target, self._token)
            if self._storing:  # It may have been stored even where the call failed.
                await self._room.run(self._store.delete, self._stored.location if self._stored else self._target)
        except ClipwardenError as exc:
            log.warning("upload not discarded", location=str(self._target), code=exc.code, reason=str(exc))
        finally:
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._buffer = memoryview(b"")
        if self._entered:
            self._entered = False
            self._room.leave()

    def _digest(self, data: memoryview) -> None:
        self._sha256.update(data)
        self._md5.update(data)

    def _received(self) -> Received:
        return Received(
            bytes=self._count,
            sha256=self._sha256.hexdigest(),
            md5=self._md5.hexdigest(),
            stored=self._stored,
            parts=tuple(sorted(self._parts)),
        )
