"""The actor ``apply``: bring an asset's bytes to where the verdicts want them, in either direction."""

from clipwarden import errors, logs, placing
from clipwarden.media.store import Stored
from clipwarden.moderation import BY_POLICY, Asset, Location, Placement
from clipwarden.store import assets, audit, schema
from clipwarden.store.engine import write
from clipwarden_workers import chore
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def apply(services: Services, asset_id: str, fence: int) -> None:
    """Move the bytes if they are not where they are wanted; repeating this is harmless, and it ends right."""
    chore.turn(
        services,
        Step.APPLY,
        schema.assets,
        asset_id,
        fence,
        parse=lambda _, row: assets.parse(row),
        about=lambda asset: {"asset_id": asset.id},
        work=_settle,
    )


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
