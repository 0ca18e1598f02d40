"""How the whole installation fares at one moment, for whoever shows it: one transaction that only reads."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy.engine import Connection, Engine

from clipwarden.moderation import DeliveryStage, Stage
from clipwarden.store import deliveries, endpoint_states, moderations, paces, pools, workers
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.deliveries import DeliveryCount
from clipwarden.store.engine import read
from clipwarden.store.moderations import StageCount
from clipwarden.store.workers import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFigures:
    """One pool: what it may do, and what it does."""

    name: str
    slots: int
    limit: int  #: Slots that others leave to us, as far as is known.
    in_use: int
    waiting: int  #: Moderations that are queued for a slot, counted no further than ``pools.MANY``.
    probe_at: datetime | None  #: When one more slot is tried for; ``None`` at the full number.
    start_pace: float  #: Share of the rate of Start calls that is used: below 1 after AWS found it too fast.
    get_pace: float  #: The same of Get calls.


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The figures of an installation."""

    at: datetime
    stages: Sequence[StageCount]  #: Of stages that have any.
    pending_since: datetime | None  #: When the oldest was accepted that waits for a verdict, and not for a human.
    pools: Sequence[PoolFigures]
    deliveries: Sequence[DeliveryCount]  #: Of stages that have any.
    workers: Sequence[Worker]  #: Those heard of in the last day that did not say that they end.
    endpoints: Mapping[str, int]  #: How many are ``well``, ``paused`` and ``disabled``; without those that none is.

    def moderations(self, stage: Stage) -> int:
        """Return how many moderations are in a stage."""
        return next((found.count for found in self.stages if found.stage is stage), 0)

    def callbacks(self, stage: DeliveryStage) -> int:
        """Return how many callbacks are in a stage."""
        return next((found.count for found in self.deliveries if found.stage is stage), 0)

    def age(self, since: datetime | None) -> timedelta:
        """Return how long ago something was; nothing at all for what is not."""
        return max(timedelta(0), self.at - since) if since is not None else timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What happened between two looks, per second."""

    accepted: float
    decided: float
    delivered: float

    @classmethod
    def between(cls, before: Operations, after: Operations) -> Self | None:
        """Return the rates; ``None`` where no time has passed. What was deleted meanwhile makes them less."""
        if (seconds := (after.at - before.at).total_seconds()) <= 0:
            return None

        def rate(count: Callable[[Operations], int]) -> float:
            return max(0, count(after) - count(before)) / seconds

        return cls(
            accepted=rate(lambda one: sum(found.count for found in one.stages)),
            decided=rate(lambda one: one.moderations(Stage.DECIDED)),
            delivered=rate(lambda one: one.callbacks(DeliveryStage.DELIVERED)),
        )


def look(engine: Engine, clock: DatabaseClock) -> Operations:
    """Read all figures now; raises StoreUnavailable when the database cannot be reached."""
    now = clock.now()
    with read(engine) as conn:
        return operations(conn, now=now)


def operations(conn: Connection, *, now: datetime) -> Operations:
    """Read all figures: a few statements, which count what indexes hold."""
    return Operations(
        at=now,
        stages=moderations.stages(conn),
        pending_since=moderations.oldest_pending(conn),
        pools=pool_figures(conn, now=now),
        deliveries=deliveries.counts(conn),
        workers=workers.every(conn),
        endpoints=endpoint_states.counts(conn),
    )


def pool_figures(conn: Connection, *, now: datetime) -> list[PoolFigures]:
    """Return the figures of every pool, by name."""
    return [
        PoolFigures(
            name=pool.name,
            slots=pool.slots,
            limit=min(pool.limit, pool.slots),
            in_use=pools.in_use(conn, pool.name),
            waiting=pools.waiting(conn, pool.name),
            probe_at=pool.probe_at if pool.limit < pool.slots else None,
            start_pace=pool.pace(paces.Call.START, now),
            get_pace=pool.pace(paces.Call.GET, now),
        )
        for pool in pools.every(conn)
    ]
