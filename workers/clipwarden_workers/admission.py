"""The only way from ``queued`` to ``starting``: as many as the pool has free slots, fairly, in one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from clipwarden import errors, metrics
from clipwarden.moderation import Moderation
from clipwarden.store import pools
from clipwarden.store.engine import write
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services


def refill(services: Services, conn: Connection, name: str | None, now: datetime) -> Sequence[Moderation]:
    """Reserve a pool's free slots for its next moderations, within the caller's transaction.

    Returns those that may start at once; the others are sent by a dispatcher when it is their turn. A pool that this
    process does not fill is left to those that do.
    """
    if name is None or (pool := services.pools.get(name)) is None:
        return []
    until = services.lease(now)
    gap = timedelta(seconds=1 / pool.settings.start_rate)
    admitted = pools.admit(conn, pool.name, now=now, until=until, gap=gap)
    return [moderation for moderation in admitted if moderation.due_at == until]


def announce(services: Services, admitted: Sequence[Moderation]) -> bool:
    """Send the messages of moderations whose reservation is committed, and say whether the bus took all."""
    for moderation in admitted:
        metrics.ADMITTED.labels(moderation.pool).inc()
    return services.bus.send_each((Step.START, moderation.id, moderation.fence) for moderation in admitted)


def admit(services: Services) -> None:
    """Fill every pool's free slots now; raises BusUnavailable, leaving further pools, when a message is not taken."""
    for name in services.pools:
        with write(services.engine) as conn:
            admitted = refill(services, conn, name, services.clock.now())
        if not announce(services, admitted):
            raise errors.BusUnavailable("the bus does not take messages")
