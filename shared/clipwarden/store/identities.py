"""Identities: who users are to a provider, which vouches for them by an issuer and a subject that never change."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import ids
from clipwarden.people import User
from clipwarden.store import rows, users
from clipwarden.store.schema import user_identities as table

_c = table.c


def user_of(conn: Connection, issuer: str, subject: str) -> User | None:
    """Return the user whom a provider means."""
    query = sa.select(_c.user_id).where(_c.issuer == issuer, _c.subject == subject)
    id = conn.execute(query).scalar_one_or_none()
    return users.by_id(conn, id) if id is not None else None


def has_any(conn: Connection, user_id: str) -> bool:
    """Say whether a provider vouches for a user."""
    return conn.execute(sa.select(sa.exists().where(_c.user_id == user_id))).scalar_one()


def link(conn: Connection, user_id: str, *, issuer: str, subject: str, now: datetime) -> bool:
    """Let a provider vouch for a user from now on; return whether nobody else was linked so meanwhile."""
    values = {"id": ids.new_id(), "user_id": user_id, "issuer": issuer, "subject": subject, "created_at": now}
    return rows.insert_unless_present(conn, table, values) is not None
