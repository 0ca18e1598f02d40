"""The actor ``notify``: attempts to deliver callbacks, each signed anew, with the body as it was decided.

A thread that has attempted an endpoint's delivery goes on with the endpoint's next one, handed out by the transaction
that writes down how the last one went; after some of them the bus, and so other endpoints, come first again.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection

from clipwarden import metrics
from clipwarden.store import schema
from clipwarden.store.engine import write
from clipwarden.store.leases import Due
from clipwarden_workers import outcome, reporting, tasks
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services
from clipwarden_workers.tasks import Task

#: Deliveries that one message leads to at most.
_AT_A_STRETCH = 16


def notify(services: Services, delivery_id: str, fence: int) -> None:
    """Attempt the delivery, and some that follow it; what fails is due again by the schedule until it is exhausted."""
    now = services.clock.now()
    with write(services.engine) as conn:
        task = tasks.take(conn, delivery_id, fence=fence, now=now, until=services.lease(now))
    if task is None:
        metrics.FENCED.labels(Step.NOTIFY).inc()
    left = _AT_A_STRETCH
    while task is not None:
        left -= 1
        task = _deliver(services, task, more=left > 0)


def _deliver(services: Services, task: Task, *, more: bool) -> Task | None:
    """Attempt a delivery, and return the endpoint's next one, taken, where ``more`` are wanted and there is one."""
    delivery = task.delivery
    context = {"delivery_id": delivery.id, "moderation_id": delivery.moderation_id, "attempt": delivery.attempt + 1}
    with (
        structlog.contextvars.bound_contextvars(**context),
        services.claims.holding(schema.deliveries, delivery.id, delivery.fence),
    ):
        found = outcome.attempt(services.egress, task, now=services.clock.now())
        return _report(services, task, found, more=more)


def _report(services: Services, task: Task, found: outcome.Outcome, *, more: bool) -> Task | None:
    now = services.clock.now()
    until = services.lease(now)
    with write(services.engine) as conn:
        report = reporting.report(conn, task, found, services.settings.callback, now=now, until=until)
        following = _first(conn, task, report.handed_out, now, until) if more else None
    if report.stage is None:
        metrics.FENCED.labels(Step.NOTIFY).inc()
        return None
    reporting.announce(task, found, report, now)
    for due in report.handed_out[1 if following is not None else 0 :]:
        services.bus.send(Step.NOTIFY, due.id, due.fence)
    return following


def _first(conn: Connection, before: Task, handed_out: Sequence[Due], now: datetime, until: datetime) -> Task | None:
    if not handed_out:
        return None
    return tasks.take(conn, handed_out[0].id, fence=handed_out[0].fence, now=now, until=until, before=before)
