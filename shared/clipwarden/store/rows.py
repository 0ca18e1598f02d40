"""Rows by their ids, held where wanted, and inserts that an existing row wins over."""

import functools
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, RowMapping


def by_id(conn: Connection, table: sa.Table, id: str) -> RowMapping | None:
    """Return the row with this id; ``None`` for no such row, and for a text that is no id at all."""
    if not _is_id(id):
        return None
    return conn.execute(_by_id(table), {"wanted": id}).mappings().one_or_none()


def hold(conn: Connection, table: sa.Table, ids: Collection[str]) -> None:
    """Hold rows from others' changes to the transaction's end; rows that name them may be inserted meanwhile.

    Whoever changes an asset's moderations holds the asset before the first of them, or two could wait for each other.
    """
    # SQLite has no such locks and needs none: there, a transaction that may write is alone from its beginning.
    if ids and conn.dialect.name != "sqlite":
        conn.execute(_hold(table), {"wanted": list(ids)})


def insert_unless_present(conn: Connection, table: sa.Table, values: Mapping[str, Any]) -> RowMapping | None:
    """Insert a row and return it; ``None``, and nothing changed, when any unique key of it is taken."""
    return conn.execute(_insert_absent(table, conn.dialect.name), dict(values)).mappings().one_or_none()


def insert_absent(conn: Connection, table: sa.Table, values: Sequence[Mapping[str, Any]]) -> Sequence[RowMapping]:
    """Insert rows and return those that are new, in any order; one of which any unique key is taken changes nothing.

    Two transactions that insert the same rows must name them in the same order, or they may wait for each other.
    """
    return conn.execute(_insert_absent(table, conn.dialect.name), list(values)).mappings().all()


def insert_or_update(
    conn: Connection, table: sa.Table, values: Mapping[str, Any], *, key: str, update: Mapping[str, Any]
) -> RowMapping:
    """Insert a row, or update the one that has the same ``key``, and return it."""
    insert = _insert(table, conn.dialect.name).on_conflict_do_update(index_elements=[key], set_=dict(update))
    return conn.execute(insert.returning(table), dict(values)).mappings().one()


# Statements are built once, and values go beside them: built into one, those of a moderation take six times as long.
@functools.cache
def _by_id(table: sa.Table) -> sa.Select[Any]:
    return sa.select(table).where(table.c.id == sa.bindparam("wanted", type_=table.c.id.type))


@functools.cache
def _hold(table: sa.Table) -> sa.Select[Any]:
    wanted = table.c.id.in_(sa.bindparam("wanted", type_=table.c.id.type, expanding=True))
    return sa.select(table.c.id).where(wanted).order_by(table.c.id).with_for_update(key_share=True)


@functools.cache
def _insert_absent(table: sa.Table, dialect: str) -> sa.sql.dml.ReturningInsert[Any]:
    return _insert(table, dialect).on_conflict_do_nothing().returning(table)


def _insert(table: sa.Table, dialect: str) -> "postgresql.Insert | sqlite.Insert":
    # The same SQL on both, but SQLAlchemy has one class for each.
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
