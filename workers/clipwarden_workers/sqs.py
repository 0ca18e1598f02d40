"""Reading a queue of Amazon SQS: every message is handled at least once, and deleted only after that."""

import json
import math
import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions
from botocore.config import Config
from prometheus_client import Counter

from clipwarden import aws_calls, errors, logs
from clipwarden_workers import backoff

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

log = logs.logger(__name__)

#: Seconds that SQS keeps a request open while there is no message, and messages of one answer: its maxima.
LONGEST_POLL, BATCH = 20, 10
#: Seconds before the first new try while SQS, or what a message needs, is away; doubles.
_FIRST_PAUSE = 1.0
#: Seconds for which messages stay hidden beyond a wait, so that they are handled before others are shown them.
_MARGIN = 60


def connect(queue_url: str, *, endpoint_url: str | None, session: boto3.session.Session) -> "SQSClient":
    """Return a client for a queue; an AWS queue's URL names its region, any other is taken to be in the session's."""
    named = re.match(r"https://sqs\.([a-z0-9-]+)\.amazonaws\.com", queue_url)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=5,
        read_timeout=LONGEST_POLL + 10,
        max_pool_connections=1,
    )
    region = named[1] if named else session.region_name
    return aws_calls.counted(session.client("sqs", region_name=region, endpoint_url=endpoint_url, config=config))


def unwrap(body: str) -> dict[str, Any]:
    """Return the JSON object that a message is, out of the envelope that SNS puts around it unless told not to.

    Raises MessageError for anything else.
    """
    content = _object(body)
    wrapped = content.get("Type") == "Notification" and isinstance(content.get("Message"), str)
    return _object(content["Message"]) if wrapped else content


class Reader(threading.Thread):
    """Reads one queue until it is told to stop; waits out whatever is away: SQS, the database, a setting.

    Nothing unforeseen ends it either. A message whose handling raises that, or a PermanentError, stays: SQS shows it
    again after its visibility timeout, and moves it to the dead-letter queue once it was shown as often as the queue
    allows. One that waits for what is away is kept hidden, or other readers would take it up, wait too, and use up
    these times.
    """

    def __init__(
        self, name: str, client: "SQSClient", queue_url: str, work: Callable[[str], None], outcomes: Counter
    ) -> None:
        """Hand each body to ``work``; ``outcomes`` counts, by error code, what it could not do."""
        super().__init__(name=name, daemon=True)
        self._client, self._queue_url, self._work, self._outcomes = client, queue_url, work, outcomes
        self._stopping = threading.Event()
        self._handling = threading.Lock()

    def run(self) -> None:
        """Read and handle."""
        faults = 0
        while not self._stopping.is_set():
            try:
                self._turn()
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as exc:
                faults += 1
                self._pause(faults, exc)
            except Exception as exc:
                # Nobody would miss a thread that ended here, and nothing that lands would be moderated.
                faults += 1
                self._count("bug")
                log.exception("reader failed", queue=self.name)
                self._pause(faults, exc)
            else:
                if faults:
                    log.info("queue is back", queue=self.name)
                faults = 0

    def stop(self) -> None:
        """End the loop and wait for the messages that are being handled.

        A request that waits for messages is left to itself: what it may still bring is shown to others.
        """
        self._stopping.set()
        with self._handling:
            pass

    def _turn(self) -> None:
        answer = self._client.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=LONGEST_POLL
        )
        messages = answer.get("Messages", [])
        with self._handling:
            done = [message for message in messages if self._done(message, messages)]
            if done:
                self._forget(done)

    def _done(self, message: "MessageTypeDef", held: "list[MessageTypeDef]") -> bool:
        """Handle a message, however long what it needs is away, and say whether it may be deleted.

        ``held`` are all that came with it, and wait with it.
        """
        faults = 0
        while not self._stopping.is_set():
            try:
                self._work(message["Body"])
            except (errors.TransientError, errors.ConfigurationError) as exc:
                faults += 1
                self._count(exc.code)
                self._pause(faults, exc, held)
            except errors.PermanentError as exc:
                self._count(exc.code)
                log.warning("message left in its queue", queue=self.name, code=exc.code, reason=str(exc))
                return False
            except Exception:
                self._count("bug")
                log.exception("message failed", queue=self.name)
                return False
            else:
                return True
        return False

    def _forget(self, messages: "list[MessageTypeDef]") -> None:
        # One that is not deleted is shown again and handled twice, which is harmless.
        self._client.delete_message_batch(
            QueueUrl=self._queue_url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
            ],
        )

    def _pause(self, faults: int, fault: Exception, held: "Sequence[MessageTypeDef]" = ()) -> None:
        pause = backoff.wait(faults, _FIRST_PAUSE)
        log.warning("waiting for a queue", queue=self.name, reason=str(fault), seconds=pause.seconds)
        if held:
            self._hide(held, math.ceil(pause.total_seconds()) + _MARGIN)
        self._stopping.wait(pause.total_seconds())

    def _hide(self, messages: "Sequence[MessageTypeDef]", seconds: int) -> None:
        # What is shown all the same is handled twice: no reason to give up the ones in hand.
        try:
            self._client.change_message_visibility_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": seconds}
                    for number, message in enumerate(messages)
                ],
            )
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as exc:
            log.warning("messages not hidden", queue=self.name, reason=str(exc))

    def _count(self, outcome: str) -> None:
        self._outcomes.labels(outcome).inc()


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise errors.MessageError(f"the message is not JSON: {exc}") from exc
    if not isinstance(content, dict):
        raise errors.MessageError("the message is not a JSON object")
    return content
