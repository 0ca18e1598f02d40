"""Assets that meet a condition, in any order, page by page."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import errors
from clipwarden.moderation import Account, Asset
from clipwarden.store import assets, library
from clipwarden.store.schema import UtcDateTime
from clipwarden.store.schema import assets as table

#: Assets that are counted at most.
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What results are sorted by."""

    column: sa.ColumnElement[Any]
    descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of results."""

    items: tuple[Asset, ...]
    total: int  #: Of all pages; ``MOST_COUNTED`` stands for that many or more.
    next_cursor: str | None


def search(
    conn: Connection,
    account: Account,
    condition: sa.ColumnElement[bool] | None,
    *,
    hidden: bool,
    order: Sequence[Order],
    question: str,
    limit: int,
    after: str | None,
) -> Found:
    """Return a page of the account's assets; ``hidden`` ones, rejected or waiting, only if asked for.

    ``question`` is whatever the results depend on; raises Conflict for a cursor that another question's results had.
    """
    where = [table.c.account_id == account.id]
    where += [table.c.deleted_at.is_(None)] if hidden else library.visible(account)
    if condition is not None:
        where.append(condition)
    keys = [*order, Order(column=table.c.id, descending=order[-1].descending)]
    named = [key.column.label(f"key_{place}") for place, key in enumerate(keys)]
    query = sa.select(table, *named).where(*where)
    known: int | None = None
    if after is not None:
        known, last = _decode(after, question, keys)
        query = query.where(_behind(keys, last))
    query = query.order_by(*(key.column.desc() if key.descending else key.column.asc() for key in keys))
    rows = conn.execute(query.limit(limit + 1)).mappings().all()
    items = tuple(assets.parse({column.name: row[column.name] for column in table.columns}) for row in rows[:limit])
    if known is None:
        known = _counted(conn, where) if rows[limit:] else len(rows)
    end = _encode(known, [rows[limit - 1][one.name] for one in named], question) if rows[limit:] else None
    return Found(items=items, total=known, next_cursor=end)


def _counted(conn: Connection, where: Sequence[sa.ColumnElement[bool]]) -> int:
    counted = sa.select(table.c.id).where(*where).limit(MOST_COUNTED).subquery()
    total: int = conn.execute(sa.select(sa.func.count()).select_from(counted)).scalar_one()
    return total


def _behind(keys: Sequence[Order], last: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Return the condition of a row to come after one with these values, in a shape that indexes serve."""
    bounds = [sa.literal(value, key.column.type) for key, value in zip(keys, last, strict=True)]
    if len({key.descending for key in keys}) == 1:
        row, end = sa.tuple_(*(key.column for key in keys)), sa.tuple_(*bounds)
        return row < end if keys[0].descending else row > end
    behind: list[sa.ColumnElement[bool]] = []
    same: list[sa.ColumnElement[bool]] = []
    for key, bound in zip(keys, bounds, strict=True):
        behind.append(sa.and_(*same, key.column < bound if key.descending else key.column > bound))
        same.append(key.column == bound)
    return sa.or_(*behind)


def _encode(total: int, values: Sequence[Any], question: str) -> str:
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps([_digest(question), total, *plain]).encode()).decode().rstrip("=")


def _decode(text: str, question: str, keys: Sequence[Order]) -> tuple[int, list[Any]]:
    """Return how many results there are, which the first page has counted for all others, and where one ended."""
    try:
        digest, total, *values = json.loads(
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        )
        if digest != _digest(question) or len(values) != len(keys):
            raise errors.Conflict("Invalid value for parameter next_cursor: it belongs to another query")
        return int(_typed(total, sa.Integer())), [
            _typed(value, key.column.type) for value, key in zip(values, keys, strict=True)
        ]
    except (ValueError, TypeError, binascii.Error, RecursionError) as exc:
        raise errors.Conflict("Invalid value for parameter next_cursor") from exc


def _typed(value: Any, kind: sa.types.TypeEngine[Any]) -> Any:
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat(value)
    wanted = kind.python_type
    if not isinstance(value, str if wanted is str else int | float) or isinstance(value, bool):
        raise TypeError(value)
    return value


def _digest(question: str) -> str:
    return hashlib.sha256(question.encode()).hexdigest()[:16]
