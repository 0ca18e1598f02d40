"""The actor ``erase``: forget what was asked for of an asset, the objects first and then the rows."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from clipwarden import errors, logs, metrics, placing
from clipwarden.moderation import Asset, Location, Placement, Scope
from clipwarden.store import assets, erasures, leases, library, posters, remains, schema, versions
from clipwarden.store.engine import read, write
from clipwarden.store.erasures import Erasure
from clipwarden.store.remains import Remains
from clipwarden_workers import chore
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def erase(services: Services, erasure_id: str, fence: int) -> None:
    """Erase once nobody works on the asset any more; repeating this is harmless, and it ends right."""
    chore.turn(
        services,
        Step.ERASE,
        schema.erasures,
        erasure_id,
        fence,
        parse=lambda _, row: erasures.parse(row),
        about=lambda erasure: {"asset_id": erasure.asset_id},
        work=lambda services, erasure: _WORK[erasure.scope](services, erasure),
    )


def _asset(services: Services, erasure: Erasure) -> None:
    now = services.clock.now()
    with write(services.engine) as conn:
        quiet = erasures.quiet(conn, erasure.asset_id, now=now)
        if not quiet:
            # Whoever was fenced out has ended by then; a job is looked after by others meanwhile.
            _wait(conn, erasure, services.lease(now), now=now)
    if not quiet:
        log.info("erasure waits for what is under way")
        return
    with read(services.engine) as conn:
        asset = _present(conn, erasure)
        found = _remains(services, conn, asset)
    _purge(services, found)
    with write(services.engine) as conn:
        done = _forget(services, conn, erasure, found, now=now)
    _tell(services, erasure, done=done)


def _forget(services: Services, conn: Connection, erasure: Erasure, gone: Remains, *, now: datetime) -> bool:
    """Remove all rows; ``False``, and only a look due at once, where more has come to be since they were read."""
    remains.lock(conn, erasure.asset_id)
    asset = _present(conn, erasure)
    if erasures.is_analysed(conn, asset.id) or _remains(services, conn, asset) != gone:
        _wait(conn, erasure, now, now=now)
        return False
    if not erasures.end(conn, erasure):
        return False
    remains.remove(conn, asset, gone.labels, now=now)
    erasures.remember(conn, erasure, now=now)
    return True


def _bytes(services: Services, erasure: Erasure) -> None:
    """Delete an asset's rejected bytes that are past their time; what was approved since stays."""
    kept = services.settings.retention.rejected
    if kept is not None:
        before = services.clock.now() - timedelta(seconds=kept)
        _present_bytes(services, erasure, before)
        _kept_bytes(services, erasure, before)
    _end(services, erasure)


def _present_bytes(services: Services, erasure: Erasure, before: datetime) -> None:
    """Delete the bytes that a rejected asset has, and take it out of the library: it has none any more."""
    with write(services.engine) as conn:
        asset = library.by_id(conn, erasure.account_id, erasure.asset_id, for_update=True)
        rejected = asset if asset is not None and _is_rejected(asset, before) else None
        if rejected is not None:
            now = services.clock.now()
            nowhere: dict[str, None] = dict.fromkeys(("bucket", "key", "object_version"))
            deleted_at = rejected.deleted_at or now
            library.describe(conn, rejected, now=now, backup=False, deleted_at=deleted_at, **nowhere)
            same = [one.id for one in versions.all_of(conn, rejected.id) if one.version == rejected.version]
            versions.forget(conn, rejected.id, same)
            posters.forget(conn, rejected.id)
    if rejected is not None:
        services.media.purge(placing.quarantine(services.settings.media.bucket, rejected))


def _is_rejected(asset: Asset, before: datetime) -> bool:
    """Say whether bytes are rejected and past their time, or were, by somebody who died before they were deleted."""
    settled = asset.due_at is None and asset.wanted is asset.placed is Placement.QUARANTINE
    return settled and (asset.location is None or asset.updated_at < before)


def _kept_bytes(services: Services, erasure: Erasure, before: datetime) -> None:
    """Delete rejected bytes that an asset had before, and forget that it had them."""
    bucket = services.settings.media.bucket
    with read(services.engine) as conn:
        asset = _present(conn, erasure)
        old = versions.rejected_of(conn, asset.id, before=before)
        found = [one for version in old for one in remains.bytes_of_version(conn, asset, version, bucket)]
    for location in found:
        services.media.purge(location)
    with write(services.engine) as conn:
        versions.forget(conn, asset.id, [version.id for version in old])


def _labels(services: Services, erasure: Erasure) -> None:
    """Delete the labels that are past their time, and that no later moderation is judged by."""
    bucket, kept = services.settings.media.bucket, services.settings.retention.labels
    if kept is not None:
        before = services.clock.now() - timedelta(seconds=kept)
        with read(services.engine) as conn:
            old = remains.old_labels(conn, erasure.asset_id, before=before)
        for key in sorted(old):
            services.media.purge(Location(bucket=bucket, key=key))
        with write(services.engine) as conn:
            remains.forget_labels(conn, erasure.asset_id, before=before)
    _end(services, erasure)


def _end(services: Services, erasure: Erasure) -> None:
    with write(services.engine) as conn:
        done = erasures.end(conn, erasure)
    _tell(services, erasure, done=done)


_WORK = {Scope.ASSET: _asset, Scope.BYTES: _bytes, Scope.LABELS: _labels}


def _remains(services: Services, conn: Connection, asset: Asset) -> Remains:
    bucket = services.settings.media.bucket
    homes = {placing.bucket_of(quota, bucket) for quota in services.quotas.values()}
    return remains.of(conn, asset, bucket, sorted(homes))


def _purge(services: Services, found: Remains) -> None:
    bucket = services.settings.media.bucket
    for upload in found.uploads:
        services.media.discard(upload.target, upload.token)
    kept = (Location(bucket=bucket, key=key) for key in found.labels)
    for location in sorted({*found.objects, *kept}, key=str):
        services.media.purge(location)


def _present(conn: Connection, erasure: Erasure) -> Asset:
    if (asset := assets.by_id(conn, erasure.asset_id)) is None:
        raise errors.NotFound("the asset is gone")
    return asset


def _wait(conn: Connection, erasure: Erasure, until: datetime, *, now: datetime) -> None:
    leases.advance(conn, schema.erasures, erasure.id, fence=erasure.fence, now=now, due_at=until, faults=0)


def _tell(services: Services, erasure: Erasure, *, done: bool) -> None:
    services.wake.set()
    if done:
        metrics.ERASED.labels(erasure.scope).inc()
        log.info("erased", scope=erasure.scope)
