"""The SQLite file behind the endpoint: jobs, tokens and calls outlive the process."""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    region TEXT NOT NULL,
    request TEXT NOT NULL,           -- parameters of the Start call, as JSON
    started_at REAL NOT NULL,        -- all times are seconds since the epoch
    ended_at REAL,                   -- in the future for a job whose end is foreseen, NULL while it is not known
    kept_seconds REAL NOT NULL,
    page_size INTEGER,
    outcome TEXT,                    -- NULL until it is known
    completions INTEGER NOT NULL,    -- how often the completion is still to be published
    completion_due REAL,
    completion_tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_open ON jobs (region, ended_at);
CREATE INDEX IF NOT EXISTS jobs_completing ON jobs (completion_due) WHERE completions > 0;
CREATE TABLE IF NOT EXISTS tokens (
    region TEXT NOT NULL,
    token TEXT NOT NULL,
    job_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,       -- of all parameters but the token itself
    created_at REAL NOT NULL,
    PRIMARY KEY (region, token)
) STRICT;
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    region TEXT NOT NULL,
    operation TEXT NOT NULL,
    invocation TEXT NOT NULL,
    attempt TEXT NOT NULL,
    token TEXT,
    job_id TEXT,
    error TEXT,                      -- NULL where the call was answered as asked
    open_jobs INTEGER                -- open jobs of the region after a Start
) STRICT;
CREATE TABLE IF NOT EXISTS secret (only INTEGER PRIMARY KEY CHECK (only = 1), value BLOB NOT NULL) STRICT;
"""


class Book:
    """One connection to the file, shared by all threads, one transaction at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A kill loses nothing with NORMAL; only a power cut may, and then the latest moments.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the file for writing; all of the block's changes are kept, or none."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection for reading."""
        with self._lock:
            yield self._connection

    def secret(self) -> bytes:
        """Return the file's own key, made when first asked for."""
        with self.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", (secrets.token_bytes(32),))
            return bytes(connection.execute("SELECT value FROM secret").fetchone()["value"])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
