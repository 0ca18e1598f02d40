"""Opaque cursors over (created_at, id) or (name, id): where one page of a listing ended."""

import base64
import re
import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from clipwarden import errors

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Microseconds since the epoch, and the id's 16 bytes: together 32 characters of base64url without padding.
_LAYOUT = struct.Struct(">q16s")

_NOT_OURS = "this cursor is not one that a page of results gave out"

_SHAPE = re.compile(r"[A-Za-z0-9_-]{32}")

#: What a cursor over names begins with, so that it is none over times.
_NAMED = "."


def encode(place: datetime | str, id: str) -> str:
    """Return the cursor of a row by the time or the name that it is sorted by."""
    if isinstance(place, str):
        return _NAMED + base64.urlsafe_b64encode(uuid.UUID(id).bytes + place.encode()).decode("ascii")
    microseconds = (place - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_LAYOUT.pack(microseconds, uuid.UUID(id).bytes)).decode("ascii")


def decode(text: str) -> tuple[datetime, str]:
    """Return the row's (created_at, id); raises Conflict for a text that is no cursor."""
    # The decoder itself would skip what it does not know, and so take two texts for one cursor.
    if not _SHAPE.fullmatch(text):
        raise errors.Conflict(_NOT_OURS)
    microseconds, octets = _LAYOUT.unpack(base64.urlsafe_b64decode(text))
    try:
        return _EPOCH + timedelta(microseconds=microseconds), str(uuid.UUID(bytes=octets))
    except OverflowError as exc:
        raise errors.Conflict(_NOT_OURS) from exc


def decode_name(text: str) -> tuple[str, str]:
    """Return the row's (name, id); raises Conflict for a text that is no cursor over names."""
    try:
        octets = base64.b64decode(text.removeprefix(_NAMED), altchars=b"-_", validate=True)
        name, id = octets[16:].decode(), str(uuid.UUID(bytes=octets[:16]))
    except ValueError as exc:
        raise errors.Conflict(_NOT_OURS) from exc
    # PostgreSQL has no text with a zero in it.
    if "\0" in name or encode(name, id) != text:
        raise errors.Conflict(_NOT_OURS)
    return name, id


def paged(
    query: sa.Select[Any],
    order: tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]],
    *,
    limit: int,
    after: str | None,
    newest_first: bool,
) -> sa.Select[Any]:
    """Return the query of one page in this order, with one row more where there is a next page.

    Raises Conflict when ``after`` is not a cursor.
    """
    if after is not None:
        place, last_id = decode_name(after) if isinstance(order[0].type, sa.Text) else decode(after)
        last = sa.tuple_(sa.literal(place, order[0].type), sa.literal(last_id, order[1].type))
        query = query.where(sa.tuple_(*order) < last if newest_first else sa.tuple_(*order) > last)
    return query.order_by(*(column.desc() if newest_first else column for column in order)).limit(limit + 1)
