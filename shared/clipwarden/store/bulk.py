"""Bulk jobs, which decide many moderations at once: those that were counted, and were not decided since.

What a job has not come to yet stands in rows of its own. Each is taken away in the transaction that decides it, so that
a job whose worker dies goes on where it was, and decides nothing twice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import errors
from clipwarden.store import queues, rows
from clipwarden.store.queues import Search
from clipwarden.store.schema import bulk_items, users
from clipwarden.store.schema import bulk_jobs as table

_c, _item = table.c, bulk_items.c
#: Moderations that one job may be about.
MOST = 100_000


class Action(StrEnum):
    """What a job does about each of its moderations."""

    APPROVE = "approve"
    REJECT = "reject"
    RETRY = "retry"
    REJUDGE = "rejudge"


class Skipped(StrEnum):
    """Why a moderation is left as it is."""

    CHANGED = "changed"  #: It was decided since it was counted.
    HELD = "held"  #: Somebody else has it before them.
    REFUSED = "refused"  #: It cannot be done about this one.
    ERASED = "erased"  #: It is there no more.


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job, and how far it has come."""

    id: str
    user_id: str
    by: str  #: The user's name.
    action: Action
    moderation: str | None  #: The policy of a re-judgement.
    reason: str | None
    filters: dict[str, str]
    total: int
    done: int
    skipped: dict[str, int]  #: By ``Skipped``.
    due_at: datetime | None
    fence: int
    faults: int
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    cancelled_by: str | None

    @property
    def left(self) -> int:
        """Return how many it has not come to, and will not where it was cancelled."""
        return self.total - self.done - sum(self.skipped.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A moderation that a job has not come to yet."""

    moderation_id: str
    decisions: int  #: How many there were when it was counted.


def begin(
    conn: Connection,
    search: Search,
    *,
    id: str,
    user_id: str,
    action: Action,
    expected: int,
    due_at: datetime,
    now: datetime,
    filters: Mapping[str, str],
    moderation: str | None = None,
    reason: str | None = None,
) -> Job:
    """Create a job about all that a search finds now; of one id there is one job, however often it is asked for.

    Raises Conflict where there are not as many as expected, or more than one job takes.
    """
    asked = {"id": id, "user_id": user_id, "action": str(action), "moderation": moderation, "reason": reason}
    fresh = {"filters": dict(filters), "total": 0, "done": 0, "skipped": {}, "fence": 0, "faults": 0}
    moments = {"due_at": due_at, "created_at": now, "updated_at": now}
    if rows.insert_unless_present(conn, table, asked | fresh | moments) is None:
        return _of(conn, id, user_id)
    found = queues.selected(conn, search).limit(MOST + 1).subquery()
    # In the order in which whoever erases them deletes them.
    chosen = sa.select(sa.literal(id, _item.job_id.type), found.c.id, found.c.decisions).order_by(found.c.id)
    conn.execute(sa.insert(bulk_items).from_select(["job_id", "moderation_id", "decisions"], chosen))
    taken = sa.select(sa.func.count()).where(_item.job_id == id)
    total: int = conn.execute(taken).scalar_one()
    if total != expected:
        raise errors.Conflict(f"there are {total:,} by now, not {expected:,}: count again")
    if total > MOST:
        raise errors.Conflict(f"a job takes {MOST:,} at most: narrow the filters")
    conn.execute(sa.update(table).where(_c.id == id).values(total=total))
    return _of(conn, id, user_id)


def by_id(conn: Connection, id: str) -> Job | None:
    """Return the job with this id."""
    row = conn.execute(_jobs().where(_c.id == id)).mappings().one_or_none()
    return _parse(row) if row is not None else None


def listing(conn: Connection, *, user_id: str | None, limit: int) -> list[Job]:
    """Return the newest jobs, of one person or of all."""
    query = _jobs().order_by(_c.created_at.desc(), _c.id.desc()).limit(limit)
    if user_id is not None:
        query = query.where(_c.user_id == user_id)
    return [_parse(row) for row in conn.execute(query).mappings()]


def items(conn: Connection, job_id: str, *, limit: int) -> list[Item]:
    """Return some that a job has not come to yet."""
    query = sa.select(_item.moderation_id, _item.decisions).where(_item.job_id == job_id)
    return [Item(**row) for row in conn.execute(query.order_by(_item.moderation_id).limit(limit)).mappings()]


def hold(conn: Connection, job: Job) -> Job | None:
    """Return the job as it is, locked; ``None`` where it is not ours any more, or was cancelled."""
    held = sa.select(_c.id).where(_c.id == job.id, _c.fence == job.fence).with_for_update(key_share=True)
    return by_id(conn, job.id) if conn.execute(held).one_or_none() is not None else None


def settle(conn: Connection, held: Job, item: Item, skipped: Skipped | None, *, now: datetime) -> None:
    """Write down that a locked job has dealt with a moderation, or why it has left it."""
    taken = sa.delete(bulk_items).where(_item.job_id == held.id, _item.moderation_id == item.moderation_id)
    if conn.execute(taken).rowcount != 1:
        raise errors.Conflict(f"job {held.id} has dealt with {item.moderation_id} before")
    changes: dict[str, Any] = {"done": held.done + 1}
    if skipped is not None:
        changes = {"skipped": held.skipped | {str(skipped): held.skipped.get(str(skipped), 0) + 1}}
    conn.execute(sa.update(table).where(_c.id == held.id).values(**changes, faults=0, updated_at=now))


def forget(conn: Connection, moderation_ids: Collection[str]) -> None:
    """Take moderations that are erased out of all jobs; at its end, each says how many it has missed."""
    running = sa.select(_c.id).where(_c.ended_at.is_(None))
    gone = (_item.job_id.in_(running), _item.moderation_id.in_(moderation_ids))
    conn.execute(sa.delete(bulk_items).where(*gone))


def end(conn: Connection, held: Job, *, now: datetime) -> None:
    """Write down that a locked job has done all there is to do."""
    skipped = held.skipped | ({str(Skipped.ERASED): held.left} if held.left else {})
    ended = {"due_at": None, "ended_at": now, "updated_at": now, "fence": _c.fence + 1, "skipped": skipped}
    conn.execute(sa.update(table).where(_c.id == held.id).values(**ended))


def cancel(conn: Connection, id: str, *, by: str, now: datetime) -> bool:
    """Let a job do nothing more; what is done stays. ``False`` where it has ended before."""
    ended = {"due_at": None, "ended_at": now, "updated_at": now, "cancelled_by": by}
    running = sa.update(table).where(_c.id == id, _c.ended_at.is_(None))
    if conn.execute(running.values(**ended, fence=_c.fence + 1)).rowcount != 1:
        return False
    conn.execute(sa.delete(bulk_items).where(_item.job_id == id))
    return True


def _of(conn: Connection, id: str, user_id: str) -> Job:
    job = by_id(conn, id)
    if job is None or job.user_id != user_id:
        raise errors.Conflict("this is somebody else's job")
    return job


def _jobs() -> sa.Select[Any]:
    return sa.select(table, users.c.name.label("by")).join_from(table, users, users.c.id == _c.user_id)


def _parse(row: RowMapping) -> Job:
    return Job(**{**row, "action": Action(row["action"])})
