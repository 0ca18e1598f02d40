"""One turn of an actor with a row that is no moderation: take it, work, and put it off after a fault that passes."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from clipwarden import errors, logs, metrics, tracing
from clipwarden.store import leases
from clipwarden.store.engine import write
from clipwarden_workers import backoff
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services

log = logs.logger(__name__)


class Row(Protocol):
    """What a row has that is worked on under a lease."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def fence(self) -> int: ...  # noqa: D102
    @property
    def faults(self) -> int: ...  # noqa: D102


_Row = TypeVar("_Row", bound=Row)


def turn(
    services: Services,
    step: Step,
    table: sa.Table,
    row_id: str,
    fence: int,
    *,
    parse: Callable[[Connection, Any], _Row | None],
    about: Callable[[_Row], dict[str, str]],
    work: Callable[[Services, _Row], None],
) -> None:
    """Take the row if it is due under this fence, and work on it; ``about`` names one thing, for logs and traces."""
    until = services.lease(services.clock.now())
    with write(services.engine) as conn:
        found = leases.take(conn, table, row_id, fence=fence, until=until)
        row = parse(conn, found) if found is not None else None
    if row is None:
        metrics.FENCED.labels(step).inc()
        return
    named = about(row)
    [subject] = named.values()
    with (
        structlog.contextvars.bound_contextvars(**named),
        services.claims.holding(table, row.id, row.fence),
        metrics.timed_turn(step) as tell,
        tracing.turn(step, subject) as span,
    ):
        try:
            work(services, row)
        except (errors.TransientError, errors.ConfigurationError) as exc:
            tell(exc.code)
            if span is not None:
                span.tell(exc.code)
            _postpone(services, step, table, row, exc)


def _postpone(services: Services, step: Step, table: sa.Table, row: Row, fault: errors.ClipwardenError) -> None:
    now, faults = services.clock.now(), row.faults + 1
    due_at = now + backoff.wait(faults, services.settings.worker.fault_wait)
    with write(services.engine) as conn:
        leases.advance(conn, table, row.id, fence=row.fence, now=now, due_at=due_at, faults=faults)
    metrics.FAULTS.labels(step, fault.code).inc()
    log.warning("step postponed", step=step, code=fault.code, reason=str(fault), faults=faults)
