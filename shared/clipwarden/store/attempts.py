"""Attempts: the log of what was sent to whom, and how it was answered; kept for a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import ids
from clipwarden.moderation import Attempt, Delivery
from clipwarden.store.schema import delivery_attempts as table

#: Bytes of an answer's headers, and of its body, that are kept.
KEPT = 4096
#: Signatures tell nothing that the log is for, and let others play a callback again.
_WITHHELD = frozenset({"x-cld-signature", "webhook-signature"})


def entry(
    delivery: Delivery,
    *,
    request_headers: Mapping[str, str],
    status: int | None,
    response_headers: Mapping[str, str] | None,
    response_body: bytes | None,
    seconds: float,
    error: str | None,
    now: datetime,
) -> dict[str, Any]:
    """Return what is kept of how one attempt went."""
    return {
        "id": ids.new_id(),
        "delivery_id": delivery.id,
        "attempt": delivery.attempt + 1,
        "request_headers": {name: value for name, value in request_headers.items() if name.lower() not in _WITHHELD},
        "status": status,
        "response_headers": _cut(response_headers) if response_headers is not None else None,
        "response_body": _text(response_body) if response_body is not None else None,
        "seconds": seconds,
        "error": error,
        "created_at": now,
    }


def record(conn: Connection, entries: Sequence[Mapping[str, Any]]) -> None:
    """Keep how attempts went."""
    conn.execute(sa.insert(table), list(entries))


def of_delivery(conn: Connection, delivery_id: str) -> list[Attempt]:
    """Return a delivery's attempts that are still on record, the oldest first."""
    query = sa.select(table).where(table.c.delivery_id == delivery_id).order_by(table.c.created_at, table.c.id)
    return [Attempt(**row) for row in conn.execute(query).mappings()]


def arrived_since(conn: Connection, since: datetime) -> int:
    """Count the attempts from that time on that a receiver has acknowledged."""
    acknowledged = (table.c.created_at >= since, table.c.status.between(200, 299), table.c.error.is_(None))
    count: int = conn.execute(sa.select(sa.func.count()).where(*acknowledged)).scalar_one()
    return count


def sweep(conn: Connection, *, before: datetime, limit: int) -> int:
    """Forget attempts from before a moment, the oldest first, and return how many."""
    old = sa.select(table.c.id).where(table.c.created_at < before).order_by(table.c.created_at).limit(limit)
    others_left = old.with_for_update(skip_locked=True).scalar_subquery()
    return conn.execute(sa.delete(table).where(table.c.id.in_(others_left))).rowcount


def _text(body: bytes) -> str:
    # PostgreSQL has no NUL in texts.
    return body[:KEPT].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _cut(headers: Mapping[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    left = KEPT
    for name, value in headers.items():
        left -= len(name) + len(value)
        if left < 0:
            break
        kept[name] = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return kept
