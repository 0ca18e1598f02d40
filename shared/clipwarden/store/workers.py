"""Worker processes, as they themselves say now and then that they are there."""

import os
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import ids
from clipwarden.store import rows
from clipwarden.store.schema import workers as table
from clipwarden.version import VERSION

#: Seconds between two notes of a process.
EVERY = 5.0
#: Of which nothing was heard for so long is missing; after a day it is forgotten.
MISSING_AFTER, FORGOTTEN_AFTER = timedelta(seconds=30), timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Self:
    """A process, as it knows itself."""

    id: str
    host: str
    pid: int
    version: str
    queues: str  #: Separated by commas.


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker(Self):
    """A process, as others see it."""

    started_at: datetime
    seen_at: datetime

    def is_missing(self, now: datetime) -> bool:
        """Say whether nothing was heard of it for too long: it was killed, or cannot reach the database."""
        return now - self.seen_at > MISSING_AFTER


def this_process(queues: Collection[str]) -> Self:
    """Return what this process notes of itself; each call makes another one of it."""
    named = ",".join(sorted(map(str, queues)))
    return Self(id=ids.new_id(), host=socket.gethostname(), pid=os.getpid(), version=VERSION, queues=named)


def note(conn: Connection, worker: Self, *, now: datetime) -> None:
    """Write down that a process is there; with the first note, those are forgotten that are long gone."""
    row = rows.insert_or_update(
        conn, table, asdict(worker) | {"started_at": now, "seen_at": now}, key="id", update={"seen_at": now}
    )
    if row["started_at"] == now:
        conn.execute(sa.delete(table).where(table.c.seen_at < now - FORGOTTEN_AFTER))


def forget(conn: Connection, id: str) -> None:
    """Forget a process that ends."""
    conn.execute(sa.delete(table).where(table.c.id == id))


def every(conn: Connection) -> list[Worker]:
    """Return all that were there in the last day and did not say that they end, by their hosts."""
    query = sa.select(table).order_by(table.c.host, table.c.started_at, table.c.id)
    return [Worker(**row) for row in conn.execute(query).mappings()]
