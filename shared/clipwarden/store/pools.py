"""Pools of Rekognition slots, and admission: the only way from ``queued`` to ``starting``."""

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import errors, ids
from clipwarden.job_times import JobTimes
from clipwarden.moderation import SLOT_STAGES, Moderation, Stage
from clipwarden.store import moderations as moderation_rows
from clipwarden.store import paces, rows
from clipwarden.store.schema import accounts, moderations, one_of, pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One Rekognition quota: so many jobs at once."""

    name: str
    slots: int
    limit: int  #: Slots that others leave to us, as far as is known.
    probe_at: datetime | None = None  #: When one more is tried for; ``None`` at the full number.
    probe_wait: float = 0.0  #: Seconds from one try to the next.
    next_start_at: datetime | None = None  #: When the next Start call may be made.
    job_times: JobTimes | None = None  #: How long jobs take, once known.
    start_slowed_to: float | None = None
    start_slowed_at: datetime | None = None
    get_slowed_to: float | None = None
    get_slowed_at: datetime | None = None

    def pace(self, call: paces.Call, now: datetime) -> float:
        """Return the share of the rate of these calls that may be used now."""
        slowed: dict[paces.Call, tuple[float | None, datetime | None]] = {
            paces.Call.START: (self.start_slowed_to, self.start_slowed_at),
            paces.Call.GET: (self.get_slowed_to, self.get_slowed_at),
        }
        return paces.pace(*slowed[call], now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """What an account holds of a pool, and how much it may."""

    in_flight: int
    weight: float
    cap: int | None

    def allows(self, more: int) -> bool:
        """Say whether another one may follow after that many more."""
        return self.cap is None or self.in_flight + more < self.cap


#: Most moderations that one call admits: each may need an arm of a compound query, and SQLite takes 500 of those.
BATCH = 200

#: Longest time, in seconds, from one try for one more slot to the next.
LONGEST_PROBE_WAIT = 900.0

#: Waiting moderations that are counted at most: beyond that, no pool will be free soon.
MANY = 2000

_c = moderations.c
# Parameters of statements that are built once, which takes longer than to execute them.
_POOL = sa.bindparam("pool", type_=_c.pool.type)
_NOW = sa.bindparam("now", type_=_c.due_at.type)
_MOST = sa.bindparam("most", type_=sa.Integer)


def ensure(conn: Connection, name: str, slots: int, now: datetime) -> None:
    """Create the pool, or give the existing one this number of slots; what was learned of the same number stays."""
    new = {"name": name, "slots": slots, "limit": slots, "probe_wait": 0.0, "created_at": now, "updated_at": now}
    limit = sa.case((pools.c.slots == slots, pools.c.limit), else_=slots)
    rows.insert_or_update(conn, pools, new, key="name", update={"slots": slots, "limit": limit, "updated_at": now})


def every(conn: Connection) -> list[Pool]:
    """Return all pools by name."""
    return [_parse(row) for row in conn.execute(sa.select(pools).order_by(pools.c.name)).mappings()]


def by_name(conn: Connection, name: str) -> Pool | None:
    """Return the pool of this name."""
    row = conn.execute(sa.select(pools).where(pools.c.name == name)).mappings().one_or_none()
    return _parse(row) if row is not None else None


def lower(conn: Connection, name: str, *, now: datetime, wait: float) -> None:
    """Lower the limit to the jobs that are open, after Rekognition had no slot for one more: others use the quota.

    One more is tried for after ``wait`` seconds; with each try that fails, four times as long, with each that does
    not, half as long. Several calls that were refused at once are one refusal: those that lower nothing count for none.
    """
    pool = _hold(conn, name)
    open_jobs = sa.select(sa.func.count()).where(_c.pool == name, _c.stage == Stage.ANALYSING)
    limit = min(pool.limit, conn.execute(open_jobs).scalar_one())
    if limit == pool.limit and pool.probe_at is not None and now < pool.probe_at:
        return
    pause = min(LONGEST_PROBE_WAIT, max(wait, 4 * pool.probe_wait))
    _change(conn, name, limit=limit, probe_wait=pause, probe_at=now + timedelta(seconds=pause))


def learn(conn: Connection, name: str, *, after: float, until: float, length: float) -> None:
    """Take into account a job that ended between two ages, in units of its video's length, which is in seconds."""
    known = _hold(conn, name).job_times
    learned = (
        JobTimes.first(after, until, length=length) if known is None else known.learned(after, until, length=length)
    )
    _change(conn, name, job_times=asdict(learned))


def unfinished(conn: Connection, pool: str) -> int:
    """Count the moderations that were given to the pool and have not come to an end."""
    stages = [Stage.QUEUED, *SLOT_STAGES, Stage.COLLECTING]
    count: int = conn.execute(sa.select(sa.func.count()).where(_c.pool == pool, one_of(_c.stage, stages))).scalar_one()
    return count


def soonest(conn: Connection, names: Sequence[str]) -> str:
    """Return which of these pools will be free first: where the fewest run and wait for each slot."""
    if len(names) == 1:
        return names[0]
    return min(names, key=lambda name: (_load(conn, name), name))


def in_use(conn: Connection, pool: str) -> int:
    """Count the slots of the pool that are taken."""
    taken: int = conn.execute(_taken(), {"pool": pool}).scalar_one()
    return taken


def waiting(conn: Connection, pool: str) -> int:
    """Count the moderations that wait for a slot of the pool, no further than ``MANY``."""
    queued = sa.select(_c.id).where(_c.pool == pool, one_of(_c.stage, [Stage.QUEUED])).limit(MANY).subquery()
    found: int = conn.execute(sa.select(sa.func.count()).select_from(queued)).scalar_one()
    return found


def startable(conn: Connection, pool: str) -> int:
    """Count the moderations that a free slot of the pool is for, no further than ``MANY``.

    Those of accounts that are at their caps wait for something else.
    """
    found: int = conn.execute(_startable(), {"pool": pool}).scalar_one()
    return min(MANY, found)


def admit(
    conn: Connection, pool: str, *, now: datetime, until: datetime, gap: timedelta = timedelta(0)
) -> list[Moderation]:
    """Give the pool's free slots to moderations that are queued and due, and return those.

    Each slot goes to the account with the fewest in flight for its weight, there by priority, then by age; none goes
    to an account that is at its cap. Start calls are to be ``gap`` apart, whoever makes them, and farther while AWS
    finds that too fast: what may start at once is leased until then, the others fall due at their time.
    Raises NotFound when there is no such pool.
    """
    held = _hold(conn, pool)
    taken = in_use(conn, pool)
    free = min(_limit(conn, held, taken, now) - taken, BATCH)
    if free <= 0:
        return []
    shares = _hungriest(conn, pool, now, free)
    if not shares:
        return []
    queues: dict[str, list[RowMapping]] = defaultdict(list)
    wanted = {f"account_{number}": account_id for number, account_id in enumerate(shares)}
    for row in conn.execute(_next_of_each(len(shares)), {"pool": pool, "now": now, "most": free, **wanted}).mappings():
        queues[row["account_id"]].append(row)
    admitted: list[Moderation] = []
    begin = max(now, held.next_start_at or now)
    gap /= held.pace(paces.Call.START, now)
    for pick in _fairly(queues, shares, free):
        due_at = until if begin <= now else begin
        if (moderation := _start(conn, pick, pool, now, due_at)) is not None:
            admitted.append(moderation)
            begin += gap
    if admitted and gap:
        _change(conn, pool, next_start_at=begin)
    return admitted


def _load(conn: Connection, name: str) -> float:
    pool = by_name(conn, name)
    if pool is None:
        return 0.0  # Nobody has filled it yet.
    return (in_use(conn, name) + waiting(conn, name)) / max(1, pool.limit)


def _hold(conn: Connection, name: str) -> Pool:
    """Return the pool, and hold it for the rest of the transaction, so that no two admissions overlap."""
    # SQLite knows no FOR UPDATE and needs none: there, a transaction that may write is alone from its beginning.
    query = sa.select(pools).where(pools.c.name == name).with_for_update(key_share=True)
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no pool named {name}")
    return _parse(row)


def _limit(conn: Connection, pool: Pool, taken: int, now: datetime) -> int:
    """Return how many slots may be used now: one more than before, when it is time to try that."""
    limit = min(pool.limit, pool.slots)
    if limit == pool.slots or taken < limit or (pool.probe_at is not None and now < pool.probe_at):
        return limit
    pause = pool.probe_wait / 2
    _change(conn, pool.name, limit=limit + 1, probe_wait=pause, probe_at=now + timedelta(seconds=pause))
    return limit + 1


def _change(conn: Connection, name: str, **changes: Any) -> None:
    conn.execute(sa.update(pools).where(pools.c.name == name).values(**changes))


def _parse(row: RowMapping) -> Pool:
    values = {name: row[name] for name in Pool.__dataclass_fields__}
    return Pool(**values | {"job_times": JobTimes.of(row["job_times"])})


def _hungriest(conn: Connection, pool: str, now: datetime, limit: int) -> dict[str, _Share]:
    """Return what each account has in flight, for those that come first; with N slots free, N are enough.

    (Each pick moves one account back, so the first N-1 picks leave one of the first N where it stood: before the rest.)
    """
    rows = conn.execute(_shares(), {"pool": pool, "now": now, "most": limit})
    return {row.id: _Share(in_flight=row.in_flight, weight=row.weight, cap=row.max_in_flight) for row in rows}


@functools.cache
def _taken() -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(_c.pool == _POOL, one_of(_c.stage, SLOT_STAGES))


@functools.cache
def _startable() -> sa.Select[Any]:
    """Count each account's for itself: one that is at its cap may have a million, which are not looked at."""
    waits = (_c.pool == _POOL, _c.account_id == accounts.c.id, one_of(_c.stage, [Stage.QUEUED]))
    queued = sa.select(_c.id).where(*waits).correlate(accounts).limit(MANY).subquery()
    of_each = sa.select(sa.func.count()).select_from(queued).correlate(accounts).scalar_subquery()
    room = sa.or_(accounts.c.max_in_flight.is_(None), _flying() < accounts.c.max_in_flight)
    return sa.select(sa.func.coalesce(sa.func.sum(of_each), 0)).select_from(accounts).where(room)


def _flying() -> sa.ScalarSelect[int]:
    mine = (_c.pool == _POOL, _c.account_id == accounts.c.id, one_of(_c.stage, SLOT_STAGES))
    return sa.select(sa.func.count()).where(*mine).correlate(accounts).scalar_subquery()


@functools.cache
def _shares() -> sa.Select[Any]:
    queued = _queued().where(_c.account_id == accounts.c.id).correlate(accounts).limit(1)
    each = sa.select(
        accounts.c.id,
        accounts.c.weight,
        accounts.c.max_in_flight,
        # One by one: joined by its id, all moderations are read where PostgreSQL takes the accounts to be many.
        *(queued.with_only_columns(one).scalar_subquery().label(one.name) for one in (_c.priority, _c.created_at)),
        queued.with_only_columns(_c.id).scalar_subquery().label("head"),
        _flying().label("in_flight"),
    ).subquery()
    return (
        sa.select(each.c.id, each.c.in_flight, each.c.weight, each.c.max_in_flight)
        .where(each.c.head.is_not(None))
        .where(sa.or_(each.c.max_in_flight.is_(None), each.c.in_flight < each.c.max_in_flight))
        .order_by(each.c.in_flight / each.c.weight, each.c.priority.desc(), each.c.created_at, each.c.head)
        .limit(_MOST)
    )


@functools.cache
def _next_of_each(number: int) -> sa.CompoundSelect[Any]:
    wanted = (sa.bindparam(f"account_{one}", type_=_c.account_id.type) for one in range(number))
    heads = (_queued().where(_c.account_id == one).limit(_MOST).subquery() for one in wanted)
    return sa.union_all(*(sa.select(head) for head in heads))


def _queued() -> sa.Select[Any]:
    # Said the other way round, or SQLite would search by due_at, which nearly all have behind them, and sort the lot.
    is_due = sa.not_((_c.due_at > _NOW).self_group())
    eligible = (one_of(_c.stage, [Stage.QUEUED]), is_due, _c.pool == _POOL)
    columns = (_c.id, _c.account_id, _c.priority, _c.created_at, _c.fence, _c.attempt)
    return sa.select(*columns).where(*eligible).order_by(_c.priority.desc(), _c.created_at, _c.id)


def _fairly(
    waiting: Mapping[str, Sequence[RowMapping]], shares: Mapping[str, _Share], limit: int
) -> Iterator[RowMapping]:
    """Yield at most ``limit`` rows; each account's rows are in order, and each pick counts as in flight at once."""
    heap = [_bid(shares[account], rows[0], account, 0) for account, rows in waiting.items()]
    heapify(heap)
    for _ in range(limit):
        if not heap:
            return
        *_, account, picked = heappop(heap)
        rows, share = waiting[account], shares[account]
        yield rows[picked]
        if picked + 1 < len(rows) and share.allows(picked + 1):
            heappush(heap, _bid(share, rows[picked + 1], account, picked + 1))


def _bid(share: _Share, row: RowMapping, account: str, picked: int) -> tuple[Any, ...]:
    load = (share.in_flight + picked) / share.weight
    return load, -row["priority"], row["created_at"], row["id"], account, picked


def _start(conn: Connection, pick: RowMapping, pool: str, now: datetime, due_at: datetime) -> Moderation | None:
    attempt = pick["attempt"] + 1
    values = {
        "pool": pool,
        "attempt": attempt,
        "request_token": ids.request_token(pick["id"], attempt),
        "due_at": due_at,
        "stage_since": now,
        "updated_at": now,
        "picked_id": pick["id"],
        "picked_fence": pick["fence"],
    }
    row = conn.execute(_started(), values).mappings().one_or_none()
    return moderation_rows.parse(row) if row is not None else None


@functools.cache
def _started() -> sa.sql.dml.ReturningUpdate[Any]:
    picked = (_c.id == sa.bindparam("picked_id", type_=_c.id.type), _c.stage == Stage.QUEUED)
    # One that somebody else changes now is left for the next time: they may want the pool, which is held here.
    free = sa.select(_c.id).where(*picked).with_for_update(skip_locked=True, key_share=True).scalar_subquery()
    started = sa.update(moderations).where(_c.id == free, _c.fence == sa.bindparam("picked_fence", type_=sa.Integer))
    return started.values(stage=Stage.STARTING, fence=_c.fence + 1, looks=0, faults=0).returning(moderations)
