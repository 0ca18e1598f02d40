"""The only way from ``queued`` to ``starting``: as many as the pool has free slots, fairly, in one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from clipwarden import metrics
from clipwarden.moderation import Moderation
from clipwarden.store import pools
from clipwarden.store.engine import write
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services


def refill(services: Services, conn: Connection, now: datetime) -> Sequence[Moderation]:
    """Reserve the pool's free slots for the next moderations, within the caller's transaction.

    Returns those that may start at once; the others are sent by a dispatcher when it is their turn.
    """
    until = services.lease(now)
    gap = timedelta(seconds=1 / services.settings.rekognition.start_rate)
    admitted = pools.admit(conn, services.pool, now=now, until=until, gap=gap)
    return [moderation for moderation in admitted if moderation.due_at == until]


def announce(services: Services, admitted: Sequence[Moderation]) -> None:
    """Send the messages of moderations whose reservation is committed."""
    if admitted:
        metrics.ADMITTED.labels(services.pool).inc(len(admitted))
    for moderation in admitted:
        services.bus.send(Step.START, moderation.id, moderation.fence)


def admit(services: Services) -> int:
    """Fill the pool's free slots now, and return how many were filled."""
    with write(services.engine) as conn:
        admitted = refill(services, conn, services.clock.now())
    announce(services, admitted)
    return len(admitted)
