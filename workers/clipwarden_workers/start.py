"""The actor ``start``: begin the Rekognition job of a moderation that holds a slot."""

import contextlib
from datetime import timedelta

from clipwarden import errors, logs, metrics
from clipwarden.moderation import Asset, Location, Moderation, Stage
from clipwarden.store import assets, pools, retrying
from clipwarden.store.engine import read, write
from clipwarden_workers import admission, looking, reuse, turn
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def start(services: Services, moderation: Moderation) -> None:
    """Start the job, or put the moderation back when Rekognition has no slot left for us.

    The request token was stored with the reservation, so a repetition after a crash gets the same job. While the
    moderation waited, others may have paid for the labels of the same bytes: then there is nothing to start.
    """
    if _reuse(services, moderation):
        return
    with read(services.engine) as conn:
        asset = assets.by_id(conn, moderation.asset_id)
    if asset is None or asset.location is None or moderation.request_token is None:
        raise errors.MediaNotFound("the video is gone")
    try:
        job_id = services.pool(moderation).rekognition.start(
            asset.location,
            min_confidence=moderation.min_confidence or 0.0,
            token=moderation.request_token,
            tag=moderation.id,
        )
    except errors.SlotsExhausted as exc:
        _put_back(services, moderation, exc)
        return
    except errors.AnalysisRefused as exc:
        raise _explained(services, moderation, asset.location, exc) from exc
    _await(services, moderation, asset, job_id)
    log.info("job started", job_id=job_id)


def _await(services: Services, moderation: Moderation, asset: Asset, job_id: str) -> None:
    """Record that the job runs, and plan the first look at it."""
    now = services.clock.now()
    with write(services.engine) as conn:
        wait = looking.first(services, conn, moderation, asset)
        planned = turn.shift(
            conn,
            moderation,
            Stage.ANALYSING,
            now=now,
            due_at=now + wait + services.grace(),
            job_id=job_id,
            started_at=now,
            looks=0,
            # Where other bytes have come in since, the labels are of those, and say nothing of the ones probed.
            fingerprint=moderation.fingerprint if asset.fingerprint == moderation.fingerprint else None,
        )
    if planned:
        looking.meet(services, moderation, wait)


def _reuse(services: Services, moderation: Moderation) -> bool:
    """Take the labels that others have paid for, and give the slot to the next; the attempt does not count."""
    if not _untried(services, moderation):
        return False
    origin = reuse.find(services, moderation, moderation.fingerprint, moderation.min_confidence or 0.0)
    if origin is None:
        return False
    now = services.clock.now()
    with write(services.engine) as conn:
        taken = reuse.take(services, conn, moderation, origin, now, attempt=moderation.attempt - 1)
        admitted = admission.refill(services, conn, moderation.pool, now) if taken else []
    admission.announce(services, admitted)
    if taken:
        reuse.announce(services, moderation, origin, services.pool(moderation))
    return True


def _untried(services: Services, moderation: Moderation) -> bool:
    """Say whether it is certain that nobody has started the job yet: one that runs holds its slot to the end.

    Whoever tried before has left a fault, or died and let a whole lease pass; half of one allows for late clocks.
    A human's decision, and its undoing, change the row too, so that its age tells nothing any more.
    """
    fresh = services.clock.now() < moderation.updated_at + timedelta(seconds=services.settings.worker.lease / 2)
    return fresh and not moderation.faults and not moderation.decisions


def _explained(
    services: Services, moderation: Moderation, video: Location, refusal: errors.AnalysisRefused
) -> errors.AnalysisRefused:
    """Say of an object that Rekognition cannot read whether its bucket's region is why: Rekognition does not."""
    region, ours = None, services.pool(moderation).rekognition.region
    if refusal.error == "InvalidS3ObjectException":
        with contextlib.suppress(errors.ClipwardenError):
            region = services.media.region(video.bucket)
    if region in (None, ours):
        return refusal
    return errors.AnalysisRefused(
        f"bucket {video.bucket} is in {region}, but Rekognition is called in {ours}: "
        "it only reads buckets of its own region",
        error=refusal.error,
    )


def _put_back(services: Services, moderation: Moderation, reason: errors.SlotsExhausted) -> None:
    """Queue the moderation again, in its place: others use the same quota, and the attempt does not count.

    Where a human has decided meanwhile, there is nothing left to pay for.
    """
    now = services.clock.now()
    with write(services.engine) as conn:
        # Held, so that nobody decides between this look and the change; and before the pool, as everywhere.
        present = retrying.held(conn, moderation.id, account_id=moderation.account_id) or moderation
        pools.lower(conn, services.pool(moderation).name, now=now, wait=services.settings.rekognition.refused_wait)
        stage, due_at = (Stage.QUEUED, now) if present.decided_by is None else (Stage.DECIDED, None)
        turn.shift(conn, moderation, stage, now=now, due_at=due_at, attempt=moderation.attempt - 1)
    metrics.START_REFUSALS.labels(services.pool(moderation).name).inc()
    log.warning("no slot at Rekognition", reason=str(reason))
