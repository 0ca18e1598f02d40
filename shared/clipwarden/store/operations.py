"""How the whole installation fares at one moment, for whoever shows it: one transaction that only reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from clipwarden.store import attempts, clock, deliveries, endpoint_states, moderations, paces, pools, workers
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
    startable: int  #: Those of them that the next free slot is for, counted likewise.
    probe_at: datetime | None  #: When one more slot is tried for; ``None`` at the full number.
    start_pace: float  #: Share of the rate of Start calls that is used: below 1 after AWS found it too fast.
    get_pace: float  #: The same of Get calls.


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What happened lately, per second."""

    accepted: float
    decided: float
    delivered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The figures of an installation; what only grows in number, and is done with, is not counted."""

    at: datetime
    stages: Sequence[StageCount]  #: Of stages that have any, but for the last one.
    pending_since: datetime | None  #: When the oldest was accepted that waits for a verdict, and not for a human.
    pools: Sequence[PoolFigures]
    deliveries: Sequence[DeliveryCount]  #: Of stages that have any, but for those that have arrived.
    workers: Sequence[Worker]  #: Those heard of in the last day that did not say that they end.
    endpoints: Mapping[str, int]  #: How many are ``well``, ``paused`` and ``disabled``; without those that none is.
    rates: Rates | None  #: Since the look before, where there was one.

    def age(self, since: datetime | None) -> timedelta:
        """Return how long ago something was; nothing at all for what is not."""
        return max(timedelta(0), self.at - since) if since is not None else timedelta(0)


def look(engine: Engine, *, since: datetime | None = None) -> Operations:
    """Read all figures now, and the rates since a look before; raises StoreUnavailable."""
    with read(engine) as conn:
        return operations(conn, now=clock.told(conn), since=since)


def operations(conn: Connection, *, now: datetime, since: datetime | None = None) -> Operations:
    """Read all figures: a few statements, which count what indexes hold."""
    return Operations(
        at=now,
        stages=moderations.stages(conn),
        pending_since=moderations.oldest_pending(conn),
        pools=pool_figures(conn, now=now),
        deliveries=deliveries.counts(conn),
        workers=workers.every(conn),
        endpoints=endpoint_states.counts(conn),
        rates=_rates(conn, since, now) if since is not None and since < now else None,
    )


def _rates(conn: Connection, since: datetime, now: datetime) -> Rates:
    """Count what came since; what is committed after the look that it belongs to is missed."""
    seconds = (now - since).total_seconds()
    return Rates(
        accepted=moderations.accepted_since(conn, since) / seconds,
        decided=moderations.ended_since(conn, since) / seconds,
        delivered=attempts.arrived_since(conn, since) / seconds,
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
            startable=pools.startable(conn, pool.name),
            probe_at=pool.probe_at if pool.limit < pool.slots else None,
            start_pace=pool.pace(paces.Call.START, now),
            get_pace=pool.pace(paces.Call.GET, now),
        )
        for pool in pools.every(conn)
    ]
