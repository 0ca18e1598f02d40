"""Checks of the queues of SQS that the settings name: that they may be read, and suit what reads them.

Nothing is received: that would count as one of the times that a message is shown before it is given up.
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from clipwarden import errors
from clipwarden.settings import CompletionSettings, S3IntakeSettings
from clipwarden_workers import sqs
from clipwarden_workers.findings import Doubtful

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Seconds that a queue should hide a batch for: SQS's own default, and many times what handling one takes.
SHORTEST_HIDING = 30
#: Times that a message should be shown before it is given up: a worker that dies with it in hand is no fault of it.
LEAST_SHOWINGS = 3
_NO_MESSAGE = "clipwarden-doctor"
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Queue:
    region: str
    hiding: int  #: Seconds.
    showings: int | None  #: ``None`` where no dead-letter queue takes what was shown too often.


def completions(settings: CompletionSettings, *, session: boto3.session.Session) -> str:
    """Check one pool's queue of completions, as the pool's role and in its region; raises Doubtful or an error."""
    if settings.queue_url is None:
        return "no queue is named: jobs are polled"
    queue = _look(settings.queue_url, endpoint_url=settings.endpoint_url, session=session)
    return _answer(queue, [*_misled(settings, queue), *_unfit(queue)])


def s3_events(settings: S3IntakeSettings, *, session: boto3.session.Session) -> str:
    """Check the queue of S3 events; raises Doubtful or an error."""
    if settings.queue_url is None:
        return "no queue is named: videos are enqueued"
    queue = _look(settings.queue_url, endpoint_url=settings.endpoint_url, session=session)
    return _answer(queue, _unfit(queue))


def _look(url: str, *, endpoint_url: str | None, session: boto3.session.Session) -> _Queue:
    with contextlib.closing(sqs.connect(url, endpoint_url=endpoint_url, session=session)) as client:
        try:
            _require_deletable(client, url)
            _require_hideable(client, url)
            return _described(client, url)
        except ClientError as exc:
            if _code(exc) in _MISSING:
                raise errors.ConfigurationError(f"there is no queue {url} in {client.meta.region_name}") from exc
            raise


def _require_deletable(client: "SQSClient", url: str) -> None:
    if not _allowed(lambda: client.delete_message(QueueUrl=url, ReceiptHandle=_NO_MESSAGE)):
        msg = f"sqs:DeleteMessage on {url} is denied: allow it, and sqs:ReceiveMessage, to what workers run as"
        raise errors.ConfigurationError(msg)


def _require_hideable(client: "SQSClient", url: str) -> None:
    ask = partial(client.change_message_visibility, QueueUrl=url, ReceiptHandle=_NO_MESSAGE, VisibilityTimeout=0)
    if not _allowed(ask):
        raise Doubtful(
            f"sqs:ChangeMessageVisibility on {url} is denied: allow it, or messages that wait for the database are "
            "shown to other workers and may be given up"
        )


def _allowed(ask: Callable[[], object]) -> bool:
    """Tell whether we may do to a message what is asked for one that does not exist."""
    try:
        ask()
    except ClientError as exc:
        if _code(exc) in _DENIED:
            return False
        if _code(exc) not in {"ReceiptHandleIsInvalid", "InvalidParameterValue"}:
            raise
    return True


def _described(client: "SQSClient", url: str) -> _Queue:
    try:
        told = client.get_queue_attributes(
            QueueUrl=url, AttributeNames=["QueueArn", "VisibilityTimeout", "RedrivePolicy"]
        )["Attributes"]
    except ClientError as exc:
        if _code(exc) in _DENIED:
            msg = f"sqs:GetQueueAttributes on {url} is denied: allow it, for how the queue is set up cannot be checked"
            raise Doubtful(msg) from exc
        raise
    redrive = json.loads(told.get("RedrivePolicy") or "{}")
    return _Queue(
        region=told["QueueArn"].split(":")[3],
        hiding=int(told["VisibilityTimeout"]),
        # SQS repeats it as it was written: a number, or a number in quotes.
        showings=int(redrive["maxReceiveCount"]) if "maxReceiveCount" in redrive else None,
    )


def _misled(settings: CompletionSettings, queue: _Queue) -> list[str]:
    if settings.topic_arn is None:
        return ["CLIPWARDEN_COMPLETION__TOPIC_ARN is not set: Rekognition tells nobody that a job has ended"]
    if (place := settings.topic_arn.split(":")[3]) != queue.region:
        return [f"the queue is in {queue.region}, but its topic in {place}: make one in {place}"]
    return []


def _unfit(queue: _Queue) -> list[str]:
    doubts = []
    if queue.showings is None:
        doubts.append("it has no redrive policy, so that a message that cannot be read comes back for days: add one")
    elif queue.showings < LEAST_SHOWINGS:
        doubts.append(
            f"its redrive policy gives a message up after {queue.showings} receives, "
            f"as many as workers that die with it in hand: set maxReceiveCount to {LEAST_SHOWINGS} or more"
        )
    if queue.hiding < SHORTEST_HIDING:
        doubts.append(
            f"its visibility timeout of {queue.hiding} s may end while a message is being handled, "
            f"which is then handled twice: set {SHORTEST_HIDING} s or more"
        )
    return doubts


def _answer(queue: _Queue, doubts: list[str]) -> str:
    if doubts:
        raise Doubtful("the queue can be used, but " + "; ".join(doubts))
    return f"queue in {queue.region}, hidden for {queue.hiding} s, given up after {queue.showings} receives"


def _code(exc: ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Code"))
