"""What columns hold, and the kinds of columns and indexes that tables are made of."""

from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

from clipwarden.sealing import Seal


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An instant with microseconds: aware and in UTC on the way in and out; SQLite keeps text that sorts by time."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what the driver stores; raises ValueError for a time without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant that was stored."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Sealed(sa.TypeDecorator[str]):
    """A secret: sealed in the database with the keys that the engine was made with."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the sealed text."""
        return None if value is None else _seal_of(dialect).close(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the secret; raises ConfigurationError where no key opens it."""
        return None if value is None else _seal_of(dialect).open(value)


def _seal_of(dialect: Dialect) -> Seal:
    seal: Seal = getattr(dialect, SEAL, Seal(()))
    return seal


#: The attribute of an engine's dialect that holds its seal.
SEAL = "clipwarden_seal"


#: What is kept as JSON.
Document = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def one_of(column: sa.ColumnElement[str], words: Collection[str]) -> sa.ColumnElement[bool]:
    """Return a condition whose words stand in the statement's text, so that planners match it with partial indexes."""
    # As parameters that are rendered, they would cost each execution a search of the text.
    quoted = (str(word).replace("'", "''") for word in words)
    literals = [sa.literal_column(f"'{word}'", sa.String()) for word in quoted]
    return column == literals[0] if len(literals) == 1 else column.in_(literals)


#: Text that every database sorts by its code points, whatever its locale, so that beginnings are ranges of an index.
Sorted = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def identity() -> sa.Column[str]:
    """Return the primary key of rows that have an id."""
    return sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True)


def reference(table: str) -> sa.Column[str]:
    """Return a reference to one row of another table."""
    name = f"{table.removesuffix('s')}_id"
    return sa.Column(name, sa.Uuid(as_uuid=False), sa.ForeignKey(f"{table}.id"), nullable=False)


def word(name: str, words: type[StrEnum]) -> tuple[sa.Column[str], sa.CheckConstraint]:
    """Return a column that takes one of some words, and the constraint that says so."""
    known = ", ".join(f"'{word}'" for word in words)
    return sa.Column(name, sa.String(16), nullable=False), sa.CheckConstraint(f"{name} IN ({known})", name=name)


def text(name: str) -> sa.Column[str]:
    """Return a column of text."""
    return sa.Column(name, sa.Text, nullable=False)


def optional(name: str, kind: Any = sa.Text) -> sa.Column[Any]:
    """Return a column that may be empty."""
    return sa.Column(name, kind, nullable=True)


def number(name: str) -> sa.Column[int]:
    """Return a column of an integer."""
    return sa.Column(name, sa.Integer, nullable=False)


def flag(name: str, *, default: bool) -> sa.Column[bool]:
    """Return a column of a boolean; rows that were there before get the default."""
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.true() if default else sa.false())


def given(name: str, kind: Any, default: str) -> sa.Column[Any]:
    """Return a column of another kind; rows that were there before get the default."""
    return sa.Column(name, kind, nullable=False, server_default=default)


def moment(name: str) -> sa.Column[datetime]:
    """Return a column of an instant."""
    return sa.Column(name, UtcDateTime, nullable=False)


def rotating(name: str) -> tuple[sa.Column[Any], ...]:
    """Return a secret, the one before it, and until when that is good."""
    return optional(name, Sealed), optional(f"{name}_before", Sealed), optional(f"{name}_until", UtcDateTime)


def partial(name: str, *columns: sa.ColumnElement[Any], where: sa.ColumnElement[bool]) -> None:
    """Add an index of those rows that fulfil a condition."""
    sa.Index(name, *columns, postgresql_where=where, sqlite_where=where)
