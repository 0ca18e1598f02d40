"""People on their way to a provider of identities and back: each way is gone once, and only for a while."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.store import users
from clipwarden.store.schema import sign_in_flows as table

_c = table.c


def begin(conn: Connection, state: str, *, leads_to: str, lives: timedelta, now: datetime) -> None:
    """Expect somebody back with this state; those who never came are forgotten."""
    conn.execute(sa.delete(table).where(_c.expires_at < now))
    values = {"state_hash": users.digest(state), "leads_to": leads_to, "expires_at": now + lives}
    conn.execute(sa.insert(table).values(**values))


def end(conn: Connection, state: str, *, now: datetime) -> str | None:
    """Return where somebody wanted to go, once; ``None`` if nobody is expected with this state."""
    expected = sa.delete(table).where(_c.state_hash == users.digest(state), _c.expires_at > now)
    found: str | None = conn.execute(expected.returning(_c.leads_to)).scalar_one_or_none()
    return found
