"""Presets: named sets of upload options."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import ids
from clipwarden.moderation import Preset
from clipwarden.store import cursor, rows
from clipwarden.store.schema import presets


def ensure(
    conn: Connection, *, account_id: str, name: str, options: Mapping[str, Any], now: datetime, unsigned: bool = False
) -> Preset:
    """Create the account's preset of this name, or give the existing one these options."""
    given = {"options": dict(options), "unsigned": unsigned, "updated_at": now}
    values = {"id": ids.new_id(), "account_id": account_id, "name": name, "created_at": now, **given}
    row = rows.insert_unless_present(conn, presets, values)
    if row is None:
        changed = sa.update(presets).where(*_named(account_id, name)).values(**given).returning(presets)
        row = conn.execute(changed).mappings().one()
    return parse(row)


def create(
    conn: Connection, *, account_id: str, name: str, options: Mapping[str, Any], unsigned: bool, now: datetime
) -> Preset | None:
    """Create a preset; ``None``, and nothing changed, when the account has one of this name."""
    values = {"id": ids.new_id(), "account_id": account_id, "name": name, "created_at": now, "updated_at": now}
    row = rows.insert_unless_present(conn, presets, values | {"options": dict(options), "unsigned": unsigned})
    return parse(row) if row is not None else None


def by_name(conn: Connection, account_id: str, name: str, *, for_update: bool = False) -> Preset | None:
    """Return the account's preset of this name, held from others' changes if it is to be updated."""
    query = sa.select(presets).where(*_named(account_id, name))
    row = conn.execute(query.with_for_update() if for_update else query).mappings().one_or_none()
    return parse(row) if row is not None else None


def page(
    conn: Connection, account_id: str, *, limit: int, after: str | None = None, newest_first: bool = True
) -> tuple[Sequence[Preset], str | None]:
    """Return some of the account's presets by the time of their making, and the cursor of the next page, if any.

    Raises Conflict when ``after`` is not a cursor.
    """
    query = cursor.paged(
        sa.select(presets).where(presets.c.account_id == account_id),
        (presets.c.created_at, presets.c.id),
        limit=limit,
        after=after,
        newest_first=newest_first,
    )
    found = [parse(row) for row in conn.execute(query).mappings()]
    more = cursor.encode(found[limit - 1].created_at, found[limit - 1].id) if found[limit:] else None
    return found[:limit], more


def delete(conn: Connection, account_id: str, name: str) -> Preset | None:
    """Forget the account's preset of this name, and return what it was."""
    gone = sa.delete(presets).where(*_named(account_id, name)).returning(presets)
    row = conn.execute(gone).mappings().one_or_none()
    return parse(row) if row is not None else None


def parse(row: RowMapping) -> Preset:
    """Return the preset that a row of ``presets`` holds."""
    return Preset(**row)


def _named(account_id: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return presets.c.account_id == account_id, presets.c.name == name
