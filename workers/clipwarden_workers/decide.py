"""The actor ``decide``: apply the rules to all labels of a job, and record the verdict with all that follows."""

from clipwarden import decisions, errors, labels, logs, metrics
from clipwarden.moderation import Location, Moderation
from clipwarden.store.engine import write
from clipwarden.verdict import judge
from clipwarden_workers.probe import policy_of
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def decide(services: Services, moderation: Moderation) -> None:
    """Judge, and let the dispatchers know at once what became due."""
    if moderation.labels_key is None:
        raise errors.MediaNotFound("the labels are gone")
    source = Location(bucket=services.settings.media.bucket, key=moderation.labels_key)
    verdict = judge(
        labels.read(services.media, source), policy_of(services, moderation), model_version=moderation.model_version
    )
    now = services.clock.now()
    with write(services.engine) as conn:
        decided = decisions.conclude(
            conn,
            moderation,
            status=verdict.status,
            verdict=verdict.to_dict(),
            labels=verdict.labels,
            public_url=services.public_url,
            now=now,
        )
    if decided is None:
        return
    log.info("moderation decided", status=decided.status, labels=verdict.label_count)
    metrics.MODERATIONS.labels(decided.status, "policy").inc()
    metrics.VERDICT_SECONDS.labels(decided.status).observe((now - decided.created_at).total_seconds())
    services.wake.set()
