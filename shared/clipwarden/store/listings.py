"""Reading lists from a replica of the database, as long as there is one that keeps up."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from clipwarden import errors, logs
from clipwarden.settings import DatabaseSettings
from clipwarden.store.engine import create_replica_engine, read
from clipwarden.store.migrating import revision

log = logs.logger(__name__)

Answer = TypeVar("Answer")

#: Seconds between two looks at whether the replica keeps up; one that does not is left alone for as long.
EXAMINE_EVERY = 5.0


class Listings:
    """Asks the replica for lists, and the primary where there is no replica, it is away or it has fallen behind.

    What it answers may be a few seconds old: never ask it for what a decision, a write or the answer about one thing
    by its name depends on. Safe to share between threads.
    """

    def __init__(self, primary: Engine, settings: DatabaseSettings) -> None:
        """Contact nobody yet; raises ConfigurationError for a URL that is not PostgreSQL's."""
        self._primary = primary
        self._replica = create_replica_engine(settings)
        self._examining = threading.Lock()
        self._examined_at: float | None = None
        self._written: str | None = None  #: How far the primary had written at the look before.
        self._fit = False

    def ask(self, question: Callable[[Connection], Answer]) -> Answer:
        """Return a question's answer; it may be asked twice, of one database after the other."""
        if self._replica is not None and self._keeps_up(self._replica):
            try:
                with read(self._replica) as conn:
                    return question(conn)
            except errors.StoreUnavailable as exc:
                # Also when the replica cancelled the question, in order to go on replaying.
                self._judge(fit=False, reason=str(exc))
        with read(self._primary) as conn:
            return question(conn)

    def close(self) -> None:
        """End the connections to the replica."""
        if self._replica is not None:
            self._replica.dispose()

    def _keeps_up(self, replica: Engine) -> bool:
        # Who comes while another thread looks goes by what was found before.
        if not self._examining.acquire(blocking=False):
            return self._fit
        try:
            if self._examined_at is None or time.monotonic() - self._examined_at >= EXAMINE_EVERY:
                self._examine(replica)
            return self._fit
        finally:
            self._examining.release()

    def _examine(self, replica: Engine) -> None:
        before, self._written = self._written, self._position()
        try:
            if revision(replica) != revision(self._primary):
                return self._judge(fit=False, reason="its schema is not the primary's")
            if not _replayed(replica, before or self._written):
                return self._judge(fit=False, reason="it has fallen behind")
        except errors.StoreUnavailable as exc:
            return self._judge(fit=False, reason=str(exc))
        return self._judge(fit=True, reason="")

    def _position(self) -> str:
        with read(self._primary) as conn:
            return str(conn.execute(sa.select(sa.func.pg_current_wal_lsn())).scalar_one())

    def _judge(self, *, fit: bool, reason: str) -> None:
        if not fit and (self._fit or self._examined_at is None):
            log.warning("lists are read from the primary", reason=reason)
        self._fit, self._examined_at = fit, time.monotonic()


def _replayed(replica: Engine, position: str) -> bool:
    """Say whether a replica has what the primary had written at a position; it may not be able to tell, as Aurora's."""
    reached = sa.text("SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), CAST(:position AS pg_lsn))")
    with read(replica) as conn:
        ahead = conn.execute(reached, {"position": position}).scalar_one()
    return ahead is None or ahead >= 0
