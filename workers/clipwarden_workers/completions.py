"""Completions: Rekognition's messages, over SNS and SQS, that a job has ended.

A message is a hint and nothing more: it makes the moderation due, and what became of the job is always read from
Rekognition itself. One that is lost, doubled, early or forged changes when that happens, never what comes of it.
"""

import re
from datetime import timedelta

from clipwarden import metrics
from clipwarden.store import moderations
from clipwarden.store.engine import write
from clipwarden_workers import sqs
from clipwarden_workers.bus import Step
from clipwarden_workers.pools import Pool
from clipwarden_workers.services import Services
from clipwarden_workers.sessions import session

#: The pattern of Rekognition's job ids.
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def readers(services: Services) -> list[sqs.Reader]:
    """Return what reads the queues of completions that the settings name, each in its pool's AWS account."""
    return [_reader(services, pool) for pool in services.pools.values() if pool.settings.completion.queue_url]


def _reader(services: Services, pool: Pool) -> sqs.Reader:
    settings = pool.settings.completion
    url = settings.queue_url or ""
    client = sqs.connect(url, endpoint_url=settings.endpoint_url, session=session(pool.settings))
    return sqs.Reader(f"completions {pool.name}", client, url, lambda body: hint(services, body), metrics.HINTS)


def hint(services: Services, body: str) -> None:
    """Make the moderation due whose job a message names; raises MessageError for what is not a JSON object.

    Only the job's id is read: which operation the message names is documented in two spellings, its status is checked.
    """
    job_id = sqs.unwrap(body).get("JobId")
    if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
        metrics.HINTS.labels("foreign").inc()
        return
    now, gap = services.clock.now(), timedelta(seconds=services.settings.worker.lease)
    with write(services.engine) as conn:
        hurried = moderations.hint(conn, job_id, now=now, gap=gap)
    metrics.HINTS.labels("ok" if hurried else "unneeded").inc()
    for moderation in hurried:
        services.bus.send(Step.COLLECT, moderation.id, moderation.fence)
