"""The jobs: which are accepted, which are open, and what became of them."""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from clipwarden_local.analysis.analyser import WEEK_SECONDS, Foreseen
from clipwarden_local.analysis.outcome import Analysis, Failure, Outcome, decode, encode
from clipwarden_local.endpoint.book import Book
from clipwarden_local.endpoint.protocol import ServiceError

_DEFAULT_MIN_CONFIDENCE = 50.0
_TOKEN_SECONDS = 7 * 86_400.0
_OPEN = "region = ? AND (ended_at IS NULL OR ended_at > ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it can be seen now."""

    id: str
    request: dict[str, Any]  #: Parameters of the Start call.
    outcome: Outcome | None  #: ``None`` while it is in progress.
    page_size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a Start call came to."""

    job_id: str
    open_jobs: int
    repeated: bool  #: The token was known: this is the job of an earlier call.


class Jobs:
    """The job book of all regions; every method is one transaction."""

    def __init__(self, book: Book, clock: Callable[[], float], *, limit: int) -> None:
        self._book = book
        self._clock = clock
        self._limit = limit

    def earlier(self, region: str, request: dict[str, Any]) -> Started | None:
        """Return the job that the request's token began; raises IdempotentParameterMismatch."""
        with self._book.reading() as connection:
            return self._earlier(connection, region, request)

    def start(self, region: str, request: dict[str, Any], foreseen: Foreseen) -> Started:
        """Accept a job, once per token; raises LimitExceeded and IdempotentParameterMismatch."""
        with self._book.transaction() as connection:
            earlier = self._earlier(connection, region, request)
            if earlier is not None:
                return earlier
            before = self._open(connection, region)
            if before >= self._limit:
                raise ServiceError(
                    "LimitExceededException",
                    f"{before + 1}  open Jobs for User arn:aws:iam::000000000000:root. Maximum limit: {self._limit}",
                )
            job_id = secrets.token_hex(32)
            self._insert(connection, job_id, region, request, foreseen)
            return Started(job_id=job_id, open_jobs=self._open(connection, region), repeated=False)

    def end(self, job_id: str, outcome: Outcome) -> None:
        """Note how a job that was not foreseen has ended."""
        now = self._clock()
        with self._book.transaction() as connection:
            row = connection.execute("SELECT request FROM jobs WHERE id = ? AND ended_at IS NULL", (job_id,)).fetchone()
            if row is not None:
                connection.execute(
                    "UPDATE jobs SET outcome = ?, ended_at = ?, completion_due = ? WHERE id = ?",
                    (encode(_confident(outcome, json.loads(row["request"]))), now, now, job_id),
                )

    def interrupt(self) -> None:
        """Fail the jobs that an earlier process left in progress, and drop what nobody can read any more."""
        now = self._clock()
        failure = encode(Failure(status_message="The analysis was interrupted."))
        with self._book.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET outcome = ?, ended_at = ?, completion_due = ? WHERE ended_at IS NULL OR ended_at > ?",
                (failure, now, now, now),
            )
            connection.execute("DELETE FROM jobs WHERE ended_at + max(kept_seconds, ?) < ?", (WEEK_SECONDS, now))
            connection.execute("DELETE FROM tokens WHERE created_at < ?", (now - _TOKEN_SECONDS,))

    def get(self, region: str, job_id: str) -> Job:
        """Return a job; raises ResourceNotFound for one of another region or whose result is no longer kept."""
        now = self._clock()
        with self._book.reading() as connection:
            row = connection.execute("SELECT * FROM jobs WHERE id = ? AND region = ?", (job_id, region)).fetchone()
        if row is None or (row["ended_at"] is not None and now > row["ended_at"] + row["kept_seconds"]):
            raise ServiceError("ResourceNotFoundException")
        ended = row["ended_at"] is not None and row["ended_at"] <= now
        return Job(
            id=job_id,
            request=json.loads(row["request"]),
            outcome=decode(row["outcome"]) if ended else None,
            page_size=row["page_size"],
        )

    def open_jobs(self) -> dict[str, int]:
        """Return the number of open jobs by region."""
        statement = "SELECT region, count(*) AS open FROM jobs WHERE ended_at IS NULL OR ended_at > ? GROUP BY region"
        with self._book.reading() as connection:
            return {row["region"]: row["open"] for row in connection.execute(statement, (self._clock(),))}

    def _earlier(self, connection: sqlite3.Connection, region: str, request: dict[str, Any]) -> Started | None:
        token = request.get("ClientRequestToken")
        since = self._clock() - _TOKEN_SECONDS
        row = connection.execute(
            "SELECT job_id, fingerprint FROM tokens WHERE region = ? AND token = ? AND created_at >= ?",
            (region, token, since),
        ).fetchone()
        if row is None:
            return None
        if row["fingerprint"] != _fingerprint(request):
            raise ServiceError(
                "IdempotentParameterMismatchException",
                f"The ClientRequestToken: {token} you have supplied is already in use.",
            )
        return Started(job_id=row["job_id"], open_jobs=self._open(connection, region), repeated=True)

    def _open(self, connection: sqlite3.Connection, region: str) -> int:
        row = connection.execute(f"SELECT count(*) FROM jobs WHERE {_OPEN}", (region, self._clock())).fetchone()  # noqa: S608 - a constant
        return int(row[0])

    def _insert(
        self, connection: sqlite3.Connection, job_id: str, region: str, request: dict[str, Any], foreseen: Foreseen
    ) -> None:
        now = self._clock()
        known = foreseen.outcome is not None
        ended_at = now + foreseen.seconds if known else None
        connection.execute(
            "INSERT INTO jobs (id, region, request, started_at, ended_at, kept_seconds, page_size, outcome,"
            " completions, completion_due) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                job_id,
                region,
                json.dumps(request),
                now,
                ended_at,
                foreseen.kept_seconds,
                foreseen.page_size,
                encode(_confident(foreseen.outcome, request)) if foreseen.outcome is not None else None,
                foreseen.completions if "NotificationChannel" in request else 0,
                ended_at,
            ),
        )
        if "ClientRequestToken" in request:
            connection.execute(
                "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?)",
                (region, request["ClientRequestToken"], job_id, _fingerprint(request), now),
            )


def _fingerprint(request: dict[str, Any]) -> str:
    rest = {name: value for name, value in request.items() if name != "ClientRequestToken"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _confident(outcome: Outcome, request: dict[str, Any]) -> Outcome:
    """Leave out what the Start call did not ask for: it cannot be asked for later."""
    least = request.get("MinConfidence", _DEFAULT_MIN_CONFIDENCE)
    if not isinstance(outcome, Analysis):
        return outcome
    return replace(outcome, observations=tuple(seen for seen in outcome.observations if seen.confidence >= least))
