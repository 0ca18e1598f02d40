"""Users: people who review, whose password only they know, and links by which they choose one."""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import errors, ids
from clipwarden.people import Role, User
from clipwarden.store import rows
from clipwarden.store.schema import user_accounts, user_sessions, users

_c = users.c


def add(conn: Connection, name: str, *, role: Role, account_ids: Collection[str] | None, now: datetime) -> User:
    """Create a user who may see these accounts' videos, or everybody's; raises Conflict for a name that is taken."""
    if not name.strip() or "\0" in name or len(name) > 100:  # noqa: PLR2004 # more is no name
        raise errors.Conflict("a user's name has 1 to 100 characters")
    values = {"id": ids.new_id(), "name": name, "role": str(role), "created_at": now, "updated_at": now}
    made = rows.insert_unless_present(conn, users, values)
    if made is None:
        raise errors.Conflict(f"there is a user {name}")
    let_see(conn, made["id"], account_ids, now=now)
    return _required(conn, made["id"])


def by_id(conn: Connection, id: str) -> User | None:
    """Return the user with this id."""
    row = rows.by_id(conn, users, id)
    return _parse(conn, row) if row is not None else None


def by_name(conn: Connection, name: str) -> User | None:
    """Return the user of this name."""
    row = _named(conn, name)
    return _parse(conn, row) if row is not None else None


def every(conn: Connection) -> list[User]:
    """Return all users by their names."""
    return [_parse(conn, row) for row in conn.execute(sa.select(users).order_by(_c.name)).mappings().all()]


def password_hash(conn: Connection, name: str) -> str | None:
    """Return what a user's password is verified by; ``None`` where there is no such user, password or permission."""
    row = _named(conn, name)
    return row["password_hash"] if row is not None and not row["disabled"] else None


def set_password(conn: Connection, id: str, hashed: str, *, now: datetime) -> None:
    """Let a user sign in by a new password; links are used up by that, and sessions end."""
    _change(conn, id, now, password_hash=hashed, link_hash=None, link_until=None)
    conn.execute(sa.delete(user_sessions).where(user_sessions.c.user_id == id))


def rehash(conn: Connection, id: str, hashed: str, *, now: datetime) -> None:
    """Keep the same password, hashed with today's costs."""
    _change(conn, id, now, password_hash=hashed)


def make_link(conn: Connection, id: str, *, lives: timedelta, now: datetime) -> str:
    """Return a token that lets its bearer choose the user's password, once and for a while; those before end."""
    token = secrets.token_urlsafe(32)
    _change(conn, id, now, link_hash=digest(token), link_until=now + lives)
    return token


def by_link(conn: Connection, token: str, *, now: datetime) -> User | None:
    """Return whose link this is, while it is good."""
    good = (_c.link_hash == digest(token), _c.link_until > now, _c.disabled.is_(False))
    # Of two who follow one link at once, the second finds that it is used up.
    row = conn.execute(sa.select(users).where(*good).with_for_update(key_share=True)).mappings().one_or_none()
    return _parse(conn, row) if row is not None else None


def let_see(conn: Connection, id: str, account_ids: Collection[str] | None, *, now: datetime) -> None:
    """Let a user see these accounts' videos and no others; ``None`` for all, those included that are yet to come."""
    _change(conn, id, now, every_account=account_ids is None)
    conn.execute(sa.delete(user_accounts).where(user_accounts.c.user_id == id))
    for account_id in sorted(set(account_ids or ())):
        conn.execute(sa.insert(user_accounts).values(user_id=id, account_id=account_id))


def give_role(conn: Connection, id: str, role: Role, *, now: datetime) -> None:
    """Let a user do what this role may, from the next request on."""
    _change(conn, id, now, role=str(role))


def switch(conn: Connection, id: str, *, enabled: bool, now: datetime) -> None:
    """Let a user in, or out at once."""
    _change(conn, id, now, disabled=not enabled)
    if not enabled:
        conn.execute(sa.delete(user_sessions).where(user_sessions.c.user_id == id))


def keep_settings(conn: Connection, id: str, settings: Mapping[str, Any], *, now: datetime) -> None:
    """Keep how a user wants the console to be."""
    _change(conn, id, now, settings=dict(settings))


def digest(token: str) -> str:
    """Return what is kept of a token: whoever reads the database cannot use it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _named(conn: Connection, name: str) -> RowMapping | None:
    if "\0" in name:  # PostgreSQL takes none.
        return None
    return conn.execute(sa.select(users).where(_c.name == name)).mappings().one_or_none()


def _change(conn: Connection, id: str, now: datetime, **values: Any) -> None:
    conn.execute(sa.update(users).where(_c.id == id).values(**values, updated_at=now))


def _required(conn: Connection, id: str) -> User:
    if (user := by_id(conn, id)) is None:
        raise errors.NotFound("there is no such user")
    return user


def _parse(conn: Connection, row: RowMapping) -> User:
    seen = sa.select(user_accounts.c.account_id).where(user_accounts.c.user_id == row["id"])
    account_ids = None if row["every_account"] else tuple(conn.execute(seen).scalars())
    same = {name: row[name] for name in ("id", "name", "disabled", "settings", "created_at")}
    return User(**same, role=Role(row["role"]), account_ids=account_ids, has_password=row["password_hash"] is not None)
