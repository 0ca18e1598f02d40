"""What an operator sees of an installation at a glance: pools, stages, callbacks and workers, read at one moment."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from clipwarden.store import deliveries, endpoint_states, moderations, paces, pools, workers
from clipwarden.store.deliveries import DeliveryCount
from clipwarden.store.moderations import StageCount
from clipwarden.store.pools import Pool
from clipwarden.store.workers import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """A pool, and what goes on in it."""

    pool: Pool
    in_use: int  #: Slots.
    waiting: int  #: Moderations, counted no further than ``pools.MANY``.
    start_pace: float  #: Share of the rate of Start calls that may be used now.
    get_pace: float  #: Likewise of Get calls.


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All of it."""

    at: datetime
    pools: list[PoolState]
    stages: list[StageCount]
    oldest_pending: datetime | None  #: When the oldest was accepted that waits for a verdict, and not for a human.
    deliveries: list[DeliveryCount]
    endpoints: dict[str, int]  #: How many are ``well``, ``paused`` and ``disabled``.
    workers: list[Worker]


def look(conn: Connection, *, now: datetime) -> Overview:
    """Return what there is now."""
    return Overview(
        at=now,
        pools=[_state(conn, pool, now) for pool in pools.every(conn)],
        stages=moderations.stages(conn),
        oldest_pending=moderations.oldest_pending(conn),
        deliveries=deliveries.counts(conn),
        endpoints=endpoint_states.counts(conn),
        workers=workers.every(conn),
    )


def _state(conn: Connection, pool: Pool, now: datetime) -> PoolState:
    return PoolState(
        pool=pool,
        in_use=pools.in_use(conn, pool.name),
        waiting=pools.waiting(conn, pool.name),
        start_pace=pool.pace(paces.Call.START, now),
        get_pace=pool.pace(paces.Call.GET, now),
    )
