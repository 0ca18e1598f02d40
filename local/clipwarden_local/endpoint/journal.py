"""The journal of calls: what was asked, what it came to, and how many jobs were open."""

from collections.abc import Callable
from typing import Any

from clipwarden_local.endpoint.book import Book
from clipwarden_local.endpoint.protocol import Call

_KEPT_SECONDS = 7 * 86_400.0
#: Calls between two looks for ones that are too old.
_SWEEP = 10_000


class Journal:
    """Notes every call that could be read."""

    def __init__(self, book: Book, clock: Callable[[], float]) -> None:
        self._book = book
        self._clock = clock

    def note(self, call: Call, *, job_id: str | None, error: str | None, open_jobs: int | None) -> None:
        """Keep one call."""
        now = self._clock()
        token = call.parameters.get("ClientRequestToken")
        with self._book.transaction() as connection:
            written = connection.execute(
                "INSERT INTO calls (at, region, operation, invocation, attempt, token, job_id, error, open_jobs)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    now,
                    call.region,
                    call.operation,
                    call.invocation,
                    call.attempt,
                    token if isinstance(token, str) else None,
                    job_id,
                    error,
                    open_jobs,
                ),
            )
            if written.lastrowid is not None and written.lastrowid % _SWEEP == 0:
                connection.execute("DELETE FROM calls WHERE at < ?", (now - _KEPT_SECONDS,))

    def calls(self, *, after: int = 0, limit: int = 10_000) -> list[dict[str, Any]]:
        """Return calls in the order in which they were answered, those with a higher ``id`` than ``after``."""
        statement = "SELECT * FROM calls WHERE id > ? ORDER BY id LIMIT ?"
        with self._book.reading() as connection:
            return [dict(row) for row in connection.execute(statement, (after, limit))]

    def summary(self) -> dict[str, Any]:
        """Return counts over all calls, and the most jobs that were ever open in one region."""
        with self._book.reading() as connection:
            counts = connection.execute(
                "SELECT operation, coalesce(error, 'ok') AS result, count(*) AS calls FROM calls GROUP BY 1, 2"
            ).fetchall()
            most = connection.execute("SELECT coalesce(max(open_jobs), 0) FROM calls").fetchone()[0]
            jobs = connection.execute(
                "SELECT count(DISTINCT job_id) FROM calls WHERE open_jobs IS NOT NULL"
            ).fetchone()[0]
        results: dict[str, dict[str, int]] = {}
        for row in counts:
            results.setdefault(row["operation"], {})[row["result"]] = row["calls"]
        return {"results": results, "most_open_jobs": most, "jobs": jobs}
