"""The database's clock, so that workers whose own clocks disagree still agree on what is due."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from clipwarden import errors
from clipwarden.store import engine as connections
from clipwarden.store.schema import UtcDateTime

#: Seconds between two comparisons with the database's clock.
MEASURE_EVERY = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    time: datetime
    at: float  #: Of ``time.monotonic()``.


class DatabaseClock:
    """Tells the database's time: asked every 30 s, counted on by the monotonic clock in between.

    Safe to share between threads. The first use raises StoreUnavailable when the database cannot be reached; later on,
    the last comparison is used until the database answers again.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._measuring = threading.Lock()
        self._reading: _Reading | None = None

    def now(self) -> datetime:
        """Return the present time, aware, in UTC."""
        reading = self._reading
        if reading is None or time.monotonic() - reading.at > MEASURE_EVERY:
            reading = self._renewed(reading)
        return reading.time + timedelta(seconds=time.monotonic() - reading.at)

    def _renewed(self, last: _Reading | None) -> _Reading:
        # Who has a reading does not wait for the thread that fetches the next one.
        if not self._measuring.acquire(blocking=last is None):
            assert last is not None  # noqa: S101 - a blocking acquire does not fail; tells the type checker
            return last
        try:
            if self._reading is None or self._reading is last:
                self._reading = self._measure(last)
            return self._reading
        finally:
            self._measuring.release()

    def _measure(self, last: _Reading | None) -> _Reading:
        try:
            return self._ask()
        except errors.StoreUnavailable:
            if last is None:
                raise
            at = time.monotonic()
            return _Reading(time=last.time + timedelta(seconds=at - last.at), at=at)

    def _ask(self) -> _Reading:
        if self._engine.dialect.name == "sqlite":
            return _Reading(time=datetime.now(UTC), at=time.monotonic())
        with connections.read(self._engine) as conn:
            # From here on: connecting must not count as half the way to the answer.
            before = time.monotonic()
            return _Reading(time=told(conn), at=(before + time.monotonic()) / 2)


def told(conn: Connection) -> datetime:
    """Ask the database for the present time on a connection that is there."""
    if conn.dialect.name == "sqlite":
        return datetime.now(UTC)
    now: datetime = conn.execute(sa.select(sa.func.clock_timestamp(type_=UtcDateTime()))).scalar_one()
    return now
