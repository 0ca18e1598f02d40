"""The actor ``decide``: apply the rules to all labels of a job, and record the verdict with all that follows."""

from datetime import datetime

from clipwarden import decisions, errors, labels, logs, metrics
from clipwarden.gist import Condenser, Gist
from clipwarden.moderation import BY_POLICY, Moderation, Stage
from clipwarden.store import gists
from clipwarden.store.engine import write
from clipwarden.verdict import Verdict, judge
from clipwarden_workers import admission, reuse, turn
from clipwarden_workers.probe import policy_of
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def decide(services: Services, moderation: Moderation) -> None:
    """Judge, and let the dispatchers know at once what became due.

    Another one's labels may be gone by now; then a job of its own is queued.
    """
    try:
        verdict, gist = _judge(services, moderation)
    except errors.MediaNotFound as exc:
        if not _needs_a_job(moderation):
            raise
        _queue(services, moderation, exc)
        return
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
        # Labels of another one's job are its own to keep the gist of, and may not be all of them here.
        if decided is not None and gist is not None and moderation.labels_of is None:
            gists.keep(conn, moderation.labels_key or "", gist, now=now)
    if decided is None:
        return
    log.info("moderation decided", status=decided.status, labels=verdict.label_count)
    _count(decided, verdict, now)
    services.wake.set()


def _count(decided: Moderation, verdict: Verdict, now: datetime) -> None:
    # Where a human has decided before, that was counted.
    if decided.decided_by == BY_POLICY:
        metrics.MODERATIONS.labels(decided.status, BY_POLICY).inc()
        metrics.VERDICT_SECONDS.labels(decided.status).observe((now - decided.created_at).total_seconds())
    # Labels may be judged long after their job, where they are another one's, or judged anew.
    if decided.ended_at is not None and decided.labels_of is None and not decided.retries:
        metrics.JUDGING_SECONDS.observe((now - decided.ended_at).total_seconds())
    for category in metrics.categories(reason.label for reason in verdict.reasons):
        metrics.REASONS.labels(category).inc()


def _judge(services: Services, moderation: Moderation) -> tuple[Verdict, Gist | None]:
    kept = labels.judged(services.media, services.settings.media.bucket, moderation)
    condenser = Condenser(moderation.model_version)
    verdict = judge(condenser.passing(kept), policy_of(services, moderation), model_version=moderation.model_version)
    return verdict, condenser.gist()


def _needs_a_job(moderation: Moderation) -> bool:
    """Say whether the video is still to be analysed, and paid for, when another one's labels are gone.

    Not where a human has decided, nor where only labels were to be judged anew: the video may be another one by now.
    """
    return moderation.labels_of is not None and moderation.rejudges is None and moderation.decided_by is None


def _queue(services: Services, moderation: Moderation, reason: errors.MediaNotFound) -> None:
    now = services.clock.now()
    gone = dict.fromkeys(("labels_of", "labels_key", "label_count", "model_version"))
    with write(services.engine) as conn:
        if turn.shift(conn, moderation, Stage.QUEUED, now=now, due_at=now, **gone):
            reuse.record(conn, moderation, "labels_gone", moderation.labels_of, now)
        admitted = admission.refill(services, conn, moderation.pool, now)
    admission.announce(services, admitted)
    log.warning("labels gone", labels_of=moderation.labels_of, reason=str(reason))
