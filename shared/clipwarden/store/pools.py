"""Pools of Rekognition slots, and admission: the only way from ``queued`` to ``starting``."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import errors, ids
from clipwarden.moderation import SLOT_STAGES, Moderation, Stage
from clipwarden.store import moderations as moderation_rows
from clipwarden.store import rows
from clipwarden.store.schema import accounts, moderations, one_of, pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One Rekognition quota: so many jobs at once."""

    name: str
    slots: int


#: Most moderations that one call admits: each may need an arm of a compound query, and SQLite takes 500 of those.
BATCH = 200

_c = moderations.c


def ensure(conn: Connection, name: str, slots: int, now: datetime) -> None:
    """Create the pool, or give the existing one this number of slots."""
    changed = {"slots": slots, "updated_at": now}
    rows.insert_or_update(conn, pools, {"name": name, "created_at": now, **changed}, key="name", update=changed)


def every(conn: Connection) -> list[Pool]:
    """Return all pools by name."""
    query = sa.select(pools.c.name, pools.c.slots).order_by(pools.c.name)
    return [Pool(**row) for row in conn.execute(query).mappings()]


def in_use(conn: Connection, pool: str) -> int:
    """Count the slots of the pool that are taken."""
    query = sa.select(sa.func.count()).where(_c.pool == pool, one_of(_c.stage, SLOT_STAGES))
    taken: int = conn.execute(query).scalar_one()
    return taken


def admit(conn: Connection, pool: str, *, now: datetime, until: datetime) -> list[Moderation]:
    """Give the pool's free slots to moderations that are queued and due, and return those, with a lease until then.

    Each slot goes to the account with the fewest in flight, there by priority, then by age. Raises NotFound when there
    is no such pool.
    """
    free = min(_slots(conn, pool) - in_use(conn, pool), BATCH)
    if free <= 0:
        return []
    in_flight = _hungriest(conn, pool, now, free)
    if not in_flight:
        return []
    waiting: dict[str, list[RowMapping]] = defaultdict(list)
    for row in conn.execute(_next_of_each(list(in_flight), pool, now, free)).mappings():
        waiting[row["account_id"]].append(row)
    picks = list(_fairly(waiting, in_flight, free))
    return [moderation for pick in picks if (moderation := _start(conn, pick, pool, now, until)) is not None]


def _slots(conn: Connection, pool: str) -> int:
    """Return the pool's size; holds the pool for the rest of the transaction, so that no two admissions overlap."""
    # SQLite knows no FOR UPDATE and needs none: there, a transaction that may write is alone from its beginning.
    query = sa.select(pools.c.slots).where(pools.c.name == pool).with_for_update(key_share=True)
    slots: int | None = conn.execute(query).scalar_one_or_none()
    if slots is None:
        raise errors.NotFound(f"there is no pool named {pool}")
    return slots


def _hungriest(conn: Connection, pool: str, now: datetime, limit: int) -> dict[str, int]:
    """Return how many each account has in flight, for those that come first; with N slots free, N are enough.

    (Each pick moves one account back, so the first N-1 picks leave one of the first N where it stood: before the rest.)
    """
    queued = _queued(pool, now).where(_c.account_id == accounts.c.id).correlate(accounts)
    flying = sa.select(sa.func.count()).where(
        _c.pool == pool, _c.account_id == accounts.c.id, one_of(_c.stage, SLOT_STAGES)
    )
    each = sa.select(
        accounts.c.id,
        queued.with_only_columns(_c.id).limit(1).scalar_subquery().label("head"),
        flying.correlate(accounts).scalar_subquery().label("in_flight"),
    ).subquery()
    query = (
        sa.select(each.c.id, each.c.in_flight)
        .join_from(each, moderations, _c.id == each.c.head)
        .order_by(each.c.in_flight, _c.priority.desc(), _c.created_at, _c.id)
        .limit(limit)
    )
    return {row.id: row.in_flight for row in conn.execute(query)}


def _next_of_each(account_ids: Iterable[str], pool: str, now: datetime, limit: int) -> sa.CompoundSelect[Any]:
    heads = (_queued(pool, now).where(_c.account_id == one).limit(limit).subquery() for one in account_ids)
    return sa.union_all(*(sa.select(head) for head in heads))


def _queued(pool: str, now: datetime) -> sa.Select[Any]:
    # Said the other way round, or SQLite would search by due_at, which nearly all have behind them, and sort the lot.
    is_due = sa.not_((_c.due_at > now).self_group())
    eligible = (one_of(_c.stage, [Stage.QUEUED]), is_due, sa.or_(_c.pool.is_(None), _c.pool == pool))
    columns = (_c.id, _c.account_id, _c.priority, _c.created_at, _c.fence, _c.attempt)
    return sa.select(*columns).where(*eligible).order_by(_c.priority.desc(), _c.created_at, _c.id)


def _fairly(
    waiting: Mapping[str, Sequence[RowMapping]], in_flight: Mapping[str, int], limit: int
) -> Iterator[RowMapping]:
    """Yield at most ``limit`` rows; each account's rows are in order, and each pick counts as in flight at once."""
    heap = [_bid(in_flight[account], rows, 0) for account, rows in waiting.items()]
    heapify(heap)
    for _ in range(limit):
        if not heap:
            return
        (flying, *_), rows, index = heappop(heap)
        yield rows[index]
        if index + 1 < len(rows):
            heappush(heap, _bid(flying + 1, rows, index + 1))


def _bid(in_flight: int, rows: Sequence[RowMapping], index: int) -> tuple[tuple[Any, ...], Sequence[RowMapping], int]:
    row = rows[index]
    return (in_flight, -row["priority"], row["created_at"], row["id"]), rows, index


def _start(conn: Connection, pick: RowMapping, pool: str, now: datetime, until: datetime) -> Moderation | None:
    attempt = pick["attempt"] + 1
    started = (
        sa.update(moderations)
        .where(_c.id == pick["id"], _c.fence == pick["fence"], _c.stage == Stage.QUEUED)
        .values(
            stage=Stage.STARTING,
            pool=pool,
            attempt=attempt,
            request_token=ids.request_token(pick["id"], attempt),
            fence=_c.fence + 1,
            due_at=until,
            looks=0,
            faults=0,
            updated_at=now,
        )
        .returning(moderations)
    )
    row = conn.execute(started).mappings().one_or_none()
    return moderation_rows.parse(row) if row is not None else None
