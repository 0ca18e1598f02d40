"""One turn of an actor with one moderation: take the row, work, and account for whatever goes wrong.

A fault that passes puts the row's ``due_at`` off, with jitter, so the wait survives any process. One that stays, or
passes too often, aborts the moderation with its reason. A message whose row was taken or moved on finds nothing to do.
"""

import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from clipwarden import decisions, errors, logs, metrics, tracing
from clipwarden.moderation import BY_POLICY, SLOT_STAGES, Moderation, Stage
from clipwarden.store import leases, moderations, paces, schema
from clipwarden.store.engine import write
from clipwarden_workers import admission, backoff
from clipwarden_workers.bus import STEP_OF, Step
from clipwarden_workers.services import Services

log = logs.logger(__name__)

Work = Callable[[Services, Moderation], None]


def moderate(services: Services, step: Step, row_id: str, fence: int, *, stages: Collection[Stage], work: Work) -> None:
    """Take the moderation if it is in one of the stages under this fence, and work on it."""
    moderation = _take(services, row_id, fence, stages)
    if moderation is None:
        metrics.FENCED.labels(step).inc()
        return
    began = time.perf_counter()
    with (
        structlog.contextvars.bound_contextvars(**moderation.log_context()),
        services.claims.holding(schema.moderations, row_id, moderation.fence),
        tracing.turn(step, moderation.id) as span,
    ):
        outcome = _attempt(services, step, moderation, work)
        if span is not None:
            span.tell(outcome)
    metrics.STAGE_SECONDS.labels(step, outcome).observe(time.perf_counter() - began)


def move(services: Services, moderation: Moderation, stage: Stage, **changes: Any) -> None:
    """Move the moderation to a stage that can be worked on at once, and send that stage's message."""
    now = services.clock.now()
    with write(services.engine) as conn:
        moved = shift(conn, moderation, stage, due_at=services.lease(now), now=now, **changes)
    if moved:
        services.bus.send(STEP_OF[stage], moderation.id, moderation.fence + 1)


def shift(conn: Connection, moderation: Moderation, stage: Stage, *, now: datetime, **changes: Any) -> bool:
    """Compare and set: change the row if nobody else has since."""
    return leases.advance(
        conn, schema.moderations, moderation.id, fence=moderation.fence, now=now, stage=stage, faults=0, **changes
    )


def abort(services: Services, moderation: Moderation, reason: errors.ClipwardenError) -> None:
    """End the moderation without a verdict; its slot, if it has one, goes to the next."""
    now = services.clock.now()
    with write(services.engine) as conn:
        ended = decisions.abort(conn, moderation, reason, public_url=services.public_url, now=now)
        admitted = admission.refill(services, conn, moderation.pool, now) if moderation.stage in SLOT_STAGES else []
    admission.announce(services, admitted)
    if ended is not None:
        services.wake.set()
        log.warning("moderation aborted", code=reason.code, reason=str(reason))
        if ended.decided_by == BY_POLICY:
            metrics.MODERATIONS.labels(ended.status, BY_POLICY).inc()


def _take(services: Services, row_id: str, fence: int, stages: Collection[Stage]) -> Moderation | None:
    with write(services.engine) as conn:
        row = leases.take(
            conn, schema.moderations, row_id, fence=fence, until=services.lease(services.clock.now()), stages=stages
        )
    return moderations.parse(row) if row is not None else None


def _attempt(services: Services, step: Step, moderation: Moderation, work: Work) -> str:
    """Work, account for what goes wrong, and return how it went."""
    try:
        work(services, moderation)
    except errors.StoreUnavailable:
        raise  # Nothing can be written now: the message is retried, or the lease runs out.
    except (errors.TransientError, errors.ConfigurationError) as exc:
        # A wrong setting is an operator's to mend; the videos are not at fault, and wait.
        _postpone(services, step, moderation, exc)
        return exc.code
    except errors.PermanentError as exc:
        abort(services, moderation, exc)
        return exc.code
    except Exception as exc:
        log.exception("step failed", step=step)
        _postpone(services, step, moderation, errors.TransientError(f"unexpected {type(exc).__name__}: {exc}"))
        return "bug"
    return "ok"


def _postpone(services: Services, step: Step, moderation: Moderation, fault: errors.ClipwardenError) -> None:
    faults = moderation.faults + 1
    if faults > services.settings.worker.max_faults:
        abort(services, moderation, fault)
        return
    now = services.clock.now()
    pause = backoff.wait(faults, services.settings.worker.fault_wait)
    with write(services.engine) as conn:
        leases.advance(
            conn, schema.moderations, moderation.id, fence=moderation.fence, now=now, due_at=now + pause, faults=faults
        )
        if moderation.pool and isinstance(fault, errors.AnalysisUnavailable) and fault.throttled:
            call = paces.Call.START if step is Step.START else paces.Call.GET
            paces.slow_down(conn, moderation.pool, call, now=now)
    metrics.FAULTS.labels(step, fault.code).inc()
    log.warning("step postponed", step=step, code=fault.code, reason=str(fault), faults=faults, seconds=pause.seconds)
