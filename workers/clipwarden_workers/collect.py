"""The actor ``collect``: look at a job, free its slot when it has ended, and keep all of its labels."""

from datetime import datetime, timedelta

from clipwarden import errors, labels, logs, metrics
from clipwarden.moderation import Asset, Moderation, Stage
from clipwarden.store import accounts, assets, leases, schema
from clipwarden.store.engine import read, write
from clipwarden_workers import admission, looking, turn
from clipwarden_workers.rekognition import Look
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def collect(services: Services, moderation: Moderation) -> None:
    """Look once; a job that runs on is looked at again later, one that has ended is read to its last page."""
    if moderation.job_id is None:
        raise errors.AnalysisFailed("the job's id was lost")
    look = services.pool(moderation).rekognition.look(moderation.job_id)
    if not look.done:
        _look_again(services, moderation)
        return
    if moderation.stage is Stage.COLLECTING or _free_slot(services, moderation):
        _keep(services, moderation, look)


def _look_again(services: Services, moderation: Moderation) -> None:
    now = services.clock.now()
    with read(services.engine) as conn:
        asset = assets.by_id(conn, moderation.asset_id)
    if asset is None:
        raise errors.MediaNotFound("the video is gone")
    if moderation.started_at and now > moderation.started_at + _deadline(services, asset):
        raise errors.AnalysisFailed(f"the job has not ended within its deadline, seen {moderation.looks + 1} times")
    with write(services.engine) as conn:
        wait = looking.again(services, conn, moderation, asset, now)
        due_at = now + wait + services.grace()
        planned = turn.shift(conn, moderation, Stage.ANALYSING, now=now, due_at=due_at, looks=moderation.looks + 1)
    if planned:
        looking.meet(services, moderation, wait)


def _deadline(services: Services, asset: Asset) -> timedelta:
    length_ms = asset.facts.duration_ms if asset.facts else 0
    return timedelta(seconds=services.settings.rekognition.deadline, milliseconds=length_ms)


def _free_slot(services: Services, moderation: Moderation) -> bool:
    """Give the slot to the next moderation in the same transaction; the claim on this one goes on."""
    now = services.clock.now()
    with write(services.engine) as conn:
        freed = leases.amend(
            conn,
            schema.moderations,
            moderation.id,
            fence=moderation.fence,
            now=now,
            stage=Stage.COLLECTING,
            ended_at=now,
        )
        asset = assets.by_id(conn, moderation.asset_id) if freed else None
        if asset is not None:
            looking.learn(services, conn, moderation, asset, now)
        account = accounts.by_id(conn, moderation.account_id) if freed else None
        admitted = admission.refill(services, conn, moderation.pool, now) if freed else []
    admission.announce(services, admitted)
    if asset is not None and account is not None:
        _count(services, moderation, asset, account.name)
        _count_delay(moderation, now)
    return freed


def _count(services: Services, moderation: Moderation, asset: Asset, account: str) -> None:
    pool = services.pool(moderation)
    seconds = asset.facts.duration_ms / 1000 if asset.facts else 0.0
    metrics.JOB_LOOKS.observe(moderation.looks + 1)
    metrics.ANALYSED_SECONDS.labels(account, pool.name).inc(seconds)
    metrics.COST.labels(account, pool.name).inc(seconds / 60 * pool.settings.price_per_minute)


def _count_delay(moderation: Moderation, now: datetime) -> None:
    # Rekognition does not tell when a job has ended: this is the most that it can have been ago.
    if (running := looking.seen_running(moderation)) is not None:
        metrics.DETECTION_SECONDS.observe((now - running).total_seconds())


def _keep(services: Services, moderation: Moderation, look: Look) -> None:
    target = labels.location(services.settings.media.bucket, moderation)
    assert moderation.job_id is not None  # noqa: S101 # `collect` has looked
    rekognition = services.pool(moderation).rekognition
    count = labels.write(services.media, target, rekognition.labels(moderation.job_id, look.page))
    version = look.page.get("ModerationModelVersion")
    log.info("labels kept", labels=count, model_version=version)
    turn.move(
        services,
        moderation,
        Stage.JUDGING,
        labels_key=target.key,
        labels_of=None,
        label_count=count,
        model_version=version or None,
    )
