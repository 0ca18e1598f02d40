"""Indexes of tables that have rows already, built while others write to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

_VALID = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def build(name: str, table: str, columns: list[Any], *, where: str | None = None, unique: bool = False) -> None:
    """Build an index; on PostgreSQL concurrently, unless the caller of the migrations has begun a transaction.

    A migration that does this does nothing else: what it did before stays, and is not done again, should it be ended.
    """
    condition = sa.text(where) if where is not None else None
    how: dict[str, Any] = {"unique": unique, "postgresql_where": condition, "sqlite_where": condition}
    context = op.get_context()
    if context.dialect.name != "postgresql" or context.opts["in_transaction"]:
        op.create_index(name, table, columns, **how)
    elif not _is_there(name):
        with context.autocommit_block(), _patient():
            op.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
            op.create_index(name, table, columns, postgresql_concurrently=True, **how)


@contextmanager
def _patient() -> Iterator[None]:
    """Wait without end: a concurrent build keeps nobody from reading and writing while it waits for others to end."""
    usual = op.get_bind().execute(sa.text("SHOW lock_timeout")).scalar_one()
    op.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        op.execute(f"SET lock_timeout = '{usual}'")


def _is_there(name: str) -> bool:
    """Say whether it was built before; one whose building was ended is there, too, but of no use."""
    return bool(op.get_bind().execute(_VALID, {"name": name}).scalar())
