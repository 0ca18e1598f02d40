"""Attempts to sign in: counted before a password is looked at, so that who guesses many at once gains nothing."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.store import rows
from clipwarden.store.schema import sign_in_attempts as table

_c = table.c
#: The first wait, which doubles with every further attempt, and the longest.
_FIRST, _LONGEST = timedelta(minutes=1), timedelta(minutes=15)
#: After which attempts are forgotten.
_MEMORY = timedelta(hours=1)


def begin(conn: Connection, subject: str, *, limit: int, now: datetime) -> datetime | None:
    """Count an attempt, and return ``None`` if it may be made; else until when none may be."""
    rows.insert_unless_present(conn, table, {"subject": subject, "attempts": 0, "updated_at": now})
    known = conn.execute(sa.select(table).where(_c.subject == subject).with_for_update()).mappings().one()
    if known["locked_until"] is not None and known["locked_until"] > now:
        until: datetime = known["locked_until"]
        return until
    attempts = 1 if known["updated_at"] < now - _MEMORY else known["attempts"] + 1
    changes = {"attempts": attempts, "locked_until": _locked_until(attempts - limit, now), "updated_at": now}
    conn.execute(sa.update(table).where(_c.subject == subject).values(**changes))
    return None


def forget(conn: Connection, subject: str, *, now: datetime) -> None:
    """Begin to count anew, and forget everybody's attempts of long ago."""
    conn.execute(sa.delete(table).where(sa.or_(_c.subject == subject, _c.updated_at < now - _MEMORY - _LONGEST)))


def _locked_until(beyond: int, now: datetime) -> datetime | None:
    if beyond < 0:
        return None
    wait: timedelta = _FIRST * 2 ** min(beyond, 10)
    return now + min(wait, _LONGEST)
