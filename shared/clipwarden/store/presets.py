"""Presets: named sets of upload options."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import ids
from clipwarden.moderation import Preset
from clipwarden.store import rows
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


def by_name(conn: Connection, account_id: str, name: str) -> Preset | None:
    """Return the account's preset of this name."""
    row = conn.execute(sa.select(presets).where(*_named(account_id, name))).mappings().one_or_none()
    return parse(row) if row is not None else None


def parse(row: RowMapping) -> Preset:
    """Return the preset that a row of ``presets`` holds."""
    return Preset(**row)


def _named(account_id: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return presets.c.account_id == account_id, presets.c.name == name
