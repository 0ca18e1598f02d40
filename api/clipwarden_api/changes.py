"""Telling browsers that something has changed, and not what: they then ask for what they may see."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool

from clipwarden import errors, logs
from clipwarden.moderation import Stage
from clipwarden.store.engine import read
from clipwarden.store.schema import moderations, one_of, reviews

log = logs.logger(__name__)

#: Seconds between two looks while somebody listens; changes within them are told as one.
_LOOK_EVERY = 1.0
#: Seconds after which a silent stream says something, and whoever listens is asked for again whether they may.
KEEP_ALIVE = 15.0
#: Streams of one process, and of one session.
MOST, MOST_OF_ONE = 500, 10

_CHANGED, _ALIVE = b"event: queue-change\ndata: 1\n\n", b":\n\n"


class Changes:
    """The streams of one process; it looks at the database only while there are any."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._listening: dict[asyncio.Event, str] = {}
        self._looking: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    def end(self) -> None:
        """End all streams, and begin no more: the process stops."""
        self._over.set()
        self._tell()

    async def close(self) -> None:
        """Wait, after the end, for a look at the database that is under way."""
        if self._looking is not None:
            await asyncio.wait([self._looking])

    def has_room(self, listener: str) -> bool:
        """Say whether this session may listen once more."""
        mine = sum(one == listener for one in self._listening.values())
        return not self._over.is_set() and len(self._listening) < MOST and mine < MOST_OF_ONE

    async def stream(self, listener: str, may: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield what a browser's ``EventSource`` reads, until the session ends or the process does."""
        changed = asyncio.Event()
        self._listening[changed] = listener
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        clock = asyncio.get_running_loop().time
        asked = clock()
        try:
            yield _ALIVE
            while not self._over.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), KEEP_ALIVE)
                if self._over.is_set():
                    return
                if clock() - asked >= KEEP_ALIVE:
                    if not await run_in_threadpool(may):
                        return
                    asked = clock()
                yield _CHANGED if changed.is_set() else _ALIVE
                changed.clear()
        finally:
            del self._listening[changed]

    def _tell(self) -> None:
        for listener in self._listening:
            listener.set()

    async def _look(self) -> None:
        before = None
        while self._listening and not self._over.is_set():
            try:
                now = await run_in_threadpool(self._revision)
            except errors.StoreUnavailable as exc:
                log.debug("queues not looked at", reason=str(exc))
            except Exception:
                log.exception("queues not looked at")
            else:
                if before not in (None, now):
                    self._tell()
                before = now
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), _LOOK_EVERY)
        self._looking = None

    def _revision(self) -> object:
        with read(self._engine) as conn:
            return _revision(conn)


def _revision(conn: Connection) -> object:
    """Return what differs after every change of a queue; told by the heads of indexes, however many rows there are."""
    c = moderations.c
    newest = [sa.select(sa.func.max(c.updated_at)).where(one_of(c.stage, [stage])).scalar_subquery() for stage in Stage]
    escalated = sa.select(sa.func.max(reviews.c.escalated_at), sa.func.count()).where(
        reviews.c.escalated_at.is_not(None)
    )
    return tuple(conn.execute(sa.select(*newest)).one()), tuple(conn.execute(escalated).one())
