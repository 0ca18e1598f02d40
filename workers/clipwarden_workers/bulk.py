"""The actor ``bulk``: decide some of the moderations that a job is about, and fall due again until it has done all."""

import contextlib
import itertools
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from clipwarden import decisions, errors, labels, logs, rejudgement
from clipwarden.moderation import Moderation, Status
from clipwarden.store import bulk as jobs
from clipwarden.store import leases, moderations, retrying, reviews, schema
from clipwarden.store.bulk import Action, Item, Job, Skipped
from clipwarden.store.engine import read, write
from clipwarden_workers import chore
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services

log = logs.logger(__name__)

#: Seconds after which others have their turn, and moderations that are read at once.
_TURN, _BATCH = 2.0, 100
_VERDICTS = {Action.APPROVE: Status.APPROVED, Action.REJECT: Status.REJECTED}
#: What one moderation can be refused by; the others go on.
_REFUSED = (errors.Conflict, errors.NotFound, errors.PolicyError, errors.MediaNotFound, errors.ResultsUnreadable)


def bulk(services: Services, job_id: str, fence: int) -> None:
    """Work on a job for a turn; repeating this is harmless."""
    chore.turn(
        services,
        Step.BULK,
        schema.bulk_jobs,
        job_id,
        fence,
        parse=lambda conn, row: jobs.by_id(conn, row["id"]),
        about=lambda job: {"bulk_job_id": job.id},
        work=_work,
    )


def _work(services: Services, job: Job) -> None:
    ends = time.monotonic() + _TURN
    while time.monotonic() < ends:
        with read(services.engine) as conn:
            batch = jobs.items(conn, job.id, limit=_BATCH)
        for item in itertools.takewhile(lambda _: time.monotonic() < ends, batch):
            if not _decide(services, job, item):
                return
        if not batch:
            _end(services, job)
            return
    with write(services.engine) as conn:
        now = services.clock.now()
        leases.advance(conn, schema.bulk_jobs, job.id, fence=job.fence, now=now, due_at=now)
    services.wake.set()


def _decide(services: Services, job: Job, item: Item) -> bool:
    """Decide one, and say whether the job is still ours."""
    now = services.clock.now()
    try:
        act = _prepared(services, job, item, now)
        with write(services.engine) as conn:
            if (held := jobs.hold(conn, job)) is None:
                return False
            skipped = _obstacle(conn, job, item, now)
            if skipped is None:
                act(conn)
            jobs.settle(conn, held, item, skipped, now=now)
            return True
    except _REFUSED:
        with write(services.engine) as conn:
            if (held := jobs.hold(conn, job)) is None:
                return False
            with contextlib.suppress(errors.Conflict):  # It was erased, and is not on the list any more.
                jobs.settle(conn, held, item, Skipped.REFUSED, now=now)
            return True


def _prepared(services: Services, job: Job, item: Item, now: datetime) -> Callable[[Connection], object]:
    """Return what is to be done in the transaction that settles it; what reads labels is done before."""
    with read(services.engine) as conn:
        moderation = _present(conn, item)
        obstacle = _obstacle(conn, job, item, now)
    if obstacle is not None:
        return lambda _: None
    if job.action is Action.RETRY:
        return lambda conn: decisions.retry(conn, _held(conn, item), by=job.by, reason=job.reason, now=now)
    if job.action is Action.REJUDGE:
        bucket = services.settings.media.bucket
        found = rejudgement.rejudge(services.engine, services.media, moderation.id, job.moderation or "", bucket=bucket)
        # Repeated, it finds what it has made.
        rejudgement.apply(services.engine, found, by=job.by, now=now)
        return lambda _: None
    shown = labels.shown(services.media, services.settings.media.bucket, moderation)
    return lambda conn: decisions.override(
        conn,
        item.moderation_id,
        status=_VERDICTS[job.action],
        by=job.by,
        labels=shown,
        public_url=services.public_url,
        now=now,
        reason=job.reason,
    )


def _obstacle(conn: Connection, job: Job, item: Item, now: datetime) -> Skipped | None:
    moderation = _present(conn, item)
    # A re-judgement stands in for the one that it judges anew.
    replaced = moderation.superseded and job.action is not Action.REJUDGE
    if moderation.decisions != item.decisions or replaced:
        return Skipped.CHANGED
    review = reviews.of(conn, item.moderation_id)
    others = review is not None and review.holder_id not in (None, job.user_id)
    if others and review is not None and review.held_until is not None and review.held_until > now:
        return Skipped.HELD
    return None


def _present(conn: Connection, item: Item) -> Moderation:
    moderation = moderations.by_id(conn, item.moderation_id)
    if moderation is None:
        raise errors.NotFound(f"there is no moderation {item.moderation_id}")
    return moderation


def _held(conn: Connection, item: Item) -> Moderation:
    moderation = _present(conn, item)
    return retrying.held(conn, item.moderation_id, account_id=moderation.account_id) or moderation


def _end(services: Services, job: Job) -> None:
    with write(services.engine) as conn:
        if (held := jobs.hold(conn, job)) is None:
            return
        jobs.end(conn, held, now=services.clock.now())
    log.info("bulk job ended", action=job.action, total=job.total)
