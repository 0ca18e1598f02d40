"""Completion messages: published to SNS after the end of a job can be seen, until SNS takes them."""

import json
import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from clipwarden_local.analysis.outcome import Analysis, decode
from clipwarden_local.aws import aws_client
from clipwarden_local.endpoint.book import Book

_LONGEST_WAIT_SECONDS = 0.25
_LONGEST_BACKOFF_SECONDS = 30.0
_BATCH = 100

_log = logging.getLogger(__name__)

#: Publishes a message to a topic; raises whatever its transport does.
Publish = Callable[[str, str], None]


class Topics:
    """SNS topics, each in the region that its name carries."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._clients: dict[str, Any] = {}

    def publish(self, topic: str, message: str) -> None:
        """Publish one message; used from one thread."""
        region = topic.split(":")[3]
        if region not in self._clients:
            self._clients[region] = aws_client("sns", endpoint_url=self._endpoint_url, region=region)
        self._clients[region].publish(TopicArn=topic, Message=message)


class Completions:
    """One thread that publishes the completions as they fall due."""

    def __init__(self, book: Book, publish: Publish, clock: Callable[[], float]) -> None:
        self._book = book
        self._publish = publish
        self._clock = clock
        self._closing = Event()
        self._awake = Event()
        self._thread = Thread(target=self._run, name="completions", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def wake(self) -> None:
        """Look again: there is a job with a completion."""
        self._awake.set()

    def close(self) -> None:
        """Stop; what was not published is, after the next start."""
        self._closing.set()
        self._awake.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            # In this order: whoever closes after the look at it wakes what waits below.
            self._awake.clear()
            if self._closing.is_set():
                return
            for row in self._due():
                self._complete(row)
            self._awake.wait(self._pause())

    def _due(self) -> list[Any]:
        statement = "SELECT * FROM jobs WHERE completions > 0 AND completion_due <= ? ORDER BY completion_due LIMIT ?"
        with self._book.reading() as connection:
            return connection.execute(statement, (self._clock(), _BATCH)).fetchall()

    def _pause(self) -> float | None:
        """Return the seconds to the next completion; ``None`` when none is to come."""
        with self._book.reading() as connection:
            due = connection.execute("SELECT min(completion_due) FROM jobs WHERE completions > 0").fetchone()[0]
        # The clock may be a test's and jump, hence never long.
        return None if due is None else min(_LONGEST_WAIT_SECONDS, max(0.0, due - self._clock()))

    def _complete(self, row: Any) -> None:
        request = json.loads(row["request"])
        try:
            self._publish(request["NotificationChannel"]["SNSTopicArn"], _message(row, request))
        except Exception as error:  # noqa: BLE001 - whatever the transport raises, the message is tried again
            _log.warning("completion of job %s not published: %s", row["id"], error)
            tries = row["completion_tries"] + 1
            due = self._clock() + min(_LONGEST_BACKOFF_SECONDS, 0.1 * 2 ** min(tries, 10))
            self._note(row["id"], "completion_tries = ?, completion_due = ?", (tries, due))
        else:
            self._note(row["id"], "completion_tries = 0, completions = completions - 1", ())

    def _note(self, job_id: str, change: str, values: tuple[float, ...]) -> None:
        with self._book.transaction() as connection:
            connection.execute(f"UPDATE jobs SET {change} WHERE id = ?", (*values, job_id))  # noqa: S608 - two constants


def _message(row: Any, request: dict[str, Any]) -> str:
    """Return the message as https://docs.aws.amazon.com/rekognition/latest/dg/api-video.html describes it."""
    video = request["Video"]["S3Object"]
    message = {
        "JobId": row["id"],
        "Status": "SUCCEEDED" if isinstance(decode(row["outcome"]), Analysis) else "FAILED",
        "API": "StartContentModeration",
        "Timestamp": int(row["ended_at"] * 1000),
        "Video": {"S3ObjectName": video["Name"], "S3Bucket": video["Bucket"]},
    }
    return json.dumps(message | ({"JobTag": request["JobTag"]} if "JobTag" in request else {}))
