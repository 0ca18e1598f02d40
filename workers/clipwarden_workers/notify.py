"""The actor ``notify``: attempts to deliver callbacks, each signed anew, with the body as it was decided.

A thread attempts a stretch of an endpoint's deliveries one after the other, and writes down together how they went. It
goes on with the endpoint's next stretch, handed out by the same transaction, until the bus, and so other endpoints,
come first again.
"""

import time
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from clipwarden import metrics, tracing
from clipwarden.store import schema
from clipwarden.store.engine import write
from clipwarden.store.leases import Due
from clipwarden_workers import outcome, reporting, tasks
from clipwarden_workers.bus import Step
from clipwarden_workers.reporting import Attempted
from clipwarden_workers.services import Services
from clipwarden_workers.tasks import Task

#: Deliveries of a stretch at most: what is sent once more when a process dies before it has written them down.
_LONGEST = 64
#: By how much a stretch may be longer than the one before that went well.
_GROWTH = 4
#: Seconds that a stretch is to take, after which a thread writes down what it has attempted and turns to the bus again.
#: Where many threads share the interpreter, shorter ones hold too few attempts to be worth their transactions.
_WORTH = 2.0


def notify(services: Services, first_id: str, fence: int) -> None:
    """Attempt a stretch, and some that follow it; what fails is due again by the schedule until it is exhausted."""
    now = services.clock.now()
    with write(services.engine) as conn:
        stretch: Sequence[Task] = tasks.take(conn, first_id, fence=fence, now=now, until=services.lease(now))
    if not stretch:
        metrics.FENCED.labels(Step.NOTIFY).inc()
    end = time.monotonic() + _WORTH
    while stretch:
        stretch = _deliver(services, stretch, end)


def _deliver(services: Services, stretch: Sequence[Task], end: float) -> Sequence[Task]:
    """Attempt a stretch, and return the endpoint's next one, taken, where there is time and there is one."""
    claims = [(task.delivery.id, task.delivery.fence) for task in stretch]
    with services.claims.holding_all(schema.deliveries, claims):
        attempted = _attempt(services, stretch)
        return _report(services, stretch, attempted, more=time.monotonic() < end)


def _attempt(services: Services, stretch: Sequence[Task]) -> list[Attempted]:
    """Attempt one after the other, up to the first that fails: its endpoint may have to be left alone."""
    end = time.monotonic() + _WORTH
    attempted = []
    for task in stretch:
        with tracing.turn(Step.NOTIFY, task.delivery.moderation_id or task.delivery.id) as span:
            found = outcome.attempt(services.egress, task, now=services.clock.now())
            if span is not None:
                span.tell("ok" if found.error is None else "not_delivered")
        attempted.append(Attempted(task=task, outcome=found))
        if found.error is not None or time.monotonic() > end:
            break
    return attempted


def _report(
    services: Services, stretch: Sequence[Task], attempted: Sequence[Attempted], *, more: bool
) -> Sequence[Task]:
    now = services.clock.now()
    until = services.lease(now)
    rest = stretch[len(attempted) :]
    each = _each(attempted, len(attempted) if rest else _GROWTH * len(stretch))
    with write(services.engine) as conn:
        report = reporting.report(conn, attempted, rest, services.settings.callback, now=now, until=until, each=each)
        following = _first(conn, stretch, report.handed_out, now, until) if more else []
    reporting.announce(report)
    others = report.handed_out[1 if following else 0 :]
    services.bus.send_each((Step.NOTIFY, due.id, due.fence) for due in others)
    return following


def _each(attempted: Sequence[Attempted], most: int) -> int:
    """Return how long the next stretches may be: those of an endpoint that answers slowly go out side by side."""
    pace = sum(one.outcome.seconds for one in attempted) / len(attempted)
    return max(1, min(_LONGEST, most, int(_WORTH / max(pace, 1e-6))))


def _first(
    conn: Connection, before: Sequence[Task], handed_out: Sequence[Due], now: datetime, until: datetime
) -> Sequence[Task]:
    if not handed_out:
        return []
    return tasks.take(conn, handed_out[0].id, fence=handed_out[0].fence, now=now, until=until, before=before)
