"""Sessions: who is signed in, known by a token of which only a digest is kept."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import ids
from clipwarden.people import User
from clipwarden.store import users
from clipwarden.store.schema import user_sessions as table

_c = table.c
#: How exactly it is known when a session was last used: a request is not to be a write.
_GRAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who is signed in."""

    id: str
    user: User
    created_at: datetime
    seen_at: datetime

    def is_stale(self, now: datetime) -> bool:
        """Say whether its use is to be noted again."""
        return now - self.seen_at > _GRAIN


def begin(conn: Connection, user_id: str, *, lives: timedelta, now: datetime) -> str:
    """Return the token of a new session; sessions that have ended are forgotten."""
    conn.execute(sa.delete(table).where(_c.expires_at < now))
    token = secrets.token_urlsafe(32)
    values = {"id": ids.new_id(), "user_id": user_id, "token_hash": users.digest(token), "seen_at": now}
    conn.execute(sa.insert(table).values(**values, created_at=now, expires_at=now + lives))
    return token


def find(conn: Connection, token: str, *, idle: timedelta, now: datetime) -> Session | None:
    """Return the session of this token, unless it has ended or was not used for too long."""
    known = (_c.token_hash == users.digest(token), _c.expires_at > now, _c.seen_at > now - idle)
    row = conn.execute(sa.select(table).where(*known)).mappings().one_or_none()
    user = users.by_id(conn, row["user_id"]) if row is not None else None
    if row is None or user is None or user.disabled:
        return None
    return Session(id=row["id"], user=user, created_at=row["created_at"], seen_at=row["seen_at"])


def note_use(conn: Connection, id: str, *, now: datetime) -> None:
    """Note that a session is being used."""
    conn.execute(sa.update(table).where(_c.id == id).values(seen_at=now))


def end(conn: Connection, token: str) -> None:
    """End the session of this token, if there is one."""
    conn.execute(sa.delete(table).where(_c.token_hash == users.digest(token)))
