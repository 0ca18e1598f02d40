"""Reviews: who has a moderation before them, who asked for help with it, and what can be had back.

A claim is a lease: it ends by itself, and whoever takes a moderation next gets another one.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden.moderation import Moderation
from clipwarden.store import rows
from clipwarden.store.schema import reviews as table
from clipwarden.store.schema import users

_c = table.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who has a moderation before them."""

    token: str | None  #: Only told to whoever has the claim.
    holder: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What reviewers have done about a moderation, beside deciding it."""

    holder_id: str | None
    claim: str | None
    held_until: datetime | None
    escalated_at: datetime | None
    escalated_by: str | None
    undo: dict[str, Any] | None


def of(conn: Connection, moderation_id: str) -> Review | None:
    """Return what reviewers have done about a moderation."""
    row = conn.execute(sa.select(table).where(_c.moderation_id == moderation_id)).mappings().one_or_none()
    return _parse(row) if row is not None else None


def claim(conn: Connection, moderation: Moderation, user_id: str, *, lives: timedelta, now: datetime) -> Claim:
    """Take a moderation, or prolong one's own claim, and return it; another's stands while it lasts."""
    found = _held(conn, moderation, now)
    theirs = found["holder_id"] not in (None, user_id) and (found["held_until"] or now) > now
    if theirs:
        holder = conn.execute(sa.select(users.c.name).where(users.c.id == found["holder_id"])).scalar_one()
        return Claim(token=None, holder=holder, until=found["held_until"])
    mine = found["holder_id"] == user_id and found["claim"] is not None
    token, until = found["claim"] if mine else secrets.token_urlsafe(16), now + lives
    _change(conn, moderation.id, now, holder_id=user_id, claim=token, held_until=until)
    holder = conn.execute(sa.select(users.c.name).where(users.c.id == user_id)).scalar_one()
    return Claim(token=token, holder=holder, until=until)


def holds(conn: Connection, moderation: Moderation, token: str, *, now: datetime) -> bool:
    """Say whether this claim is still the last that was made, and hold the row to the transaction's end."""
    found = _held(conn, moderation, now)
    return found["claim"] is not None and hmac.compare_digest(found["claim"].encode(), token.encode())


def release(conn: Connection, moderation: Moderation, *, now: datetime) -> None:
    """Let others take it."""
    _change(conn, moderation.id, now, holder_id=None, claim=None, held_until=None)


def escalate(conn: Connection, moderation: Moderation, *, by: str, now: datetime) -> None:
    """Ask for somebody else's opinion, and let others take it."""
    _held(conn, moderation, now)
    _change(conn, moderation.id, now, escalated_at=now, escalated_by=by)
    release(conn, moderation, now=now)


def settle(conn: Connection, moderation: Moderation, undo: Mapping[str, Any] | None, *, now: datetime) -> None:
    """Note that it was decided, and what would have to be had back; nobody has to be asked any more."""
    _held(conn, moderation, now)
    _change(conn, moderation.id, now, escalated_at=None, escalated_by=None, undo=dict(undo) if undo else None)
    release(conn, moderation, now=now)


def _held(conn: Connection, moderation: Moderation, now: datetime) -> RowMapping:
    """Return the row, which there is from now on, and hold it to the transaction's end."""
    values = {"moderation_id": moderation.id, "account_id": moderation.account_id, "updated_at": now}
    rows.insert_unless_present(conn, table, values)
    mine = sa.select(table).where(_c.moderation_id == moderation.id).with_for_update()
    return conn.execute(mine).mappings().one()


def _change(conn: Connection, moderation_id: str, now: datetime, **values: Any) -> None:
    conn.execute(sa.update(table).where(_c.moderation_id == moderation_id).values(**values, updated_at=now))


def _parse(row: RowMapping) -> Review:
    return Review(**{name: row[name] for name in Review.__dataclass_fields__})
