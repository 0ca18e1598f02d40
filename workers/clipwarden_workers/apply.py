"""The actor ``apply``: bring an asset's bytes to where the verdicts want them, in either direction."""

import structlog

from clipwarden import errors, logs, metrics, placing, tracing
from clipwarden.media.store import Stored
from clipwarden.moderation import BY_POLICY, Asset, Location, Placement
from clipwarden.store import assets, audit, leases, schema
from clipwarden.store.engine import write
from clipwarden_workers import backoff
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def apply(services: Services, asset_id: str, fence: int) -> None:
    """Move the bytes if they are not where they are wanted; repeating this is harmless, and it ends right."""
    with write(services.engine) as conn:
        row = leases.take(
            conn, schema.assets, asset_id, fence=fence, until=services.lease(services.clock.now()), stages=None
        )
    if row is None:
        metrics.FENCED.labels(Step.APPLY).inc()
        return
    asset = assets.parse(row)
    with (
        structlog.contextvars.bound_contextvars(asset_id=asset.id),
        services.claims.holding(schema.assets, asset.id, asset.fence),
        metrics.timed_turn(Step.APPLY) as tell,
        tracing.turn(Step.APPLY, asset.id) as span,
    ):
        try:
            _settle(services, asset)
        except (errors.TransientError, errors.ConfigurationError) as exc:
            tell(exc.code)
            if span is not None:
                span.tell(exc.code)
            _postpone(services, asset, exc)


def _settle(services: Services, asset: Asset) -> None:
    try:
        moved = _move(services, asset)
    except (errors.MediaNotFound, errors.MediaChanged, errors.SourceRefused) as exc:
        # Trying again changes nothing, and there is nothing of ours left to hide or to bring back.
        log.warning("bytes not moved", code=exc.code, reason=str(exc), wanted=asset.wanted)
        _record(services, asset, "bytes_not_moved", {"code": exc.code, "reason": str(exc)}, None)
        return
    log.info("bytes moved", wanted=asset.wanted)
    back = moved if asset.wanted is Placement.LIBRARY else None
    _record(services, asset, f"moved_to_{asset.wanted}", {}, back)


def _move(services: Services, asset: Asset) -> Stored | None:
    if asset.location is None:
        return None  # A human has decided about bytes that never came in.
    kept = placing.quarantine(services.settings.media.bucket, asset)
    if asset.wanted is Placement.QUARANTINE:
        return services.media.move(asset.location, kept, etag=asset.etag)
    home = Location(bucket=asset.location.bucket, key=asset.location.key)
    return services.media.move(kept, home, etag=None)


def _record(services: Services, asset: Asset, action: str, detail: dict[str, str], back: Stored | None) -> None:
    now = services.clock.now()
    with write(services.engine) as conn:
        settled = assets.settle(
            conn,
            asset,
            placed=asset.wanted,
            now=now,
            location=back.location if back else None,
            etag=back.etag if back else None,
        )
        if settled:
            audit.record(
                conn,
                account_id=asset.account_id,
                actor=BY_POLICY,
                action=action,
                now=now,
                asset_id=asset.id,
                detail=detail,
            )
    services.wake.set()


def _postpone(services: Services, asset: Asset, fault: errors.ClipwardenError) -> None:
    now, faults = services.clock.now(), asset.faults + 1
    pause = backoff.wait(faults, services.settings.worker.fault_wait)
    with write(services.engine) as conn:
        leases.advance(conn, schema.assets, asset.id, fence=asset.fence, now=now, due_at=now + pause, faults=faults)
    metrics.FAULTS.labels(Step.APPLY, fault.code).inc()
    log.warning("step postponed", step=Step.APPLY, code=fault.code, reason=str(fault), faults=faults)
