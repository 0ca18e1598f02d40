"""The actor ``sweep``: delete bytes that were overwritten, and that nobody keeps."""

import structlog

from clipwarden import errors, logs, metrics, placing, tracing
from clipwarden.store import leases, leftovers, schema
from clipwarden.store.engine import read, write
from clipwarden.store.leftovers import Leftover
from clipwarden_workers import backoff
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def sweep(services: Services, leftover_id: str, fence: int) -> None:
    """Delete the bytes, wherever they are, and then the row; repeating this is harmless."""
    until = services.lease(services.clock.now())
    with write(services.engine) as conn:
        row = leases.take(conn, schema.leftovers, leftover_id, fence=fence, until=until)
    if row is None:
        metrics.FENCED.labels(Step.SWEEP).inc()
        return
    leftover = leftovers.parse(row)
    with (
        structlog.contextvars.bound_contextvars(asset_id=leftover.asset_id),
        services.claims.holding(schema.leftovers, leftover.id, leftover.fence),
        metrics.timed_turn(Step.SWEEP) as tell,
        tracing.turn(Step.SWEEP, leftover.asset_id) as span,
    ):
        try:
            _delete(services, leftover)
        except (errors.TransientError, errors.ConfigurationError) as exc:
            tell(exc.code)
            if span is not None:
                span.tell(exc.code)
            _postpone(services, leftover, exc)


def _delete(services: Services, leftover: Leftover) -> None:
    with read(services.engine) as conn:
        needed = leftovers.is_needed(conn, leftover)
    if not needed:
        services.media.delete(leftover.location)
        bucket = services.settings.media.bucket
        services.media.delete(placing.quarantined(bucket, leftover.asset_id, leftover.version))
        log.info("overwritten bytes deleted", version=leftover.version)
    with write(services.engine) as conn:
        leftovers.forget(conn, leftover)


def _postpone(services: Services, leftover: Leftover, fault: errors.ClipwardenError) -> None:
    now, faults = services.clock.now(), leftover.faults + 1
    due_at = now + backoff.wait(faults, services.settings.worker.fault_wait)
    with write(services.engine) as conn:
        leases.advance(conn, schema.leftovers, leftover.id, fence=leftover.fence, now=now, due_at=due_at, faults=faults)
    metrics.FAULTS.labels(Step.SWEEP, fault.code).inc()
    log.warning("step postponed", step=Step.SWEEP, code=fault.code, reason=str(fault), faults=faults)
