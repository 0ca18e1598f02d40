"""What is past its time, as settings say it: erasures are asked for, the oldest first, and each only once."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.moderation import Placement, Scope, Stage
from clipwarden.store import assets, erasures
from clipwarden.store.schema import assets as table
from clipwarden.store.schema import erasures as asked
from clipwarden.store.schema import moderations, one_of

_a, _m = table.c, moderations.c

#: Who asks for what nobody else did.
BY = "retention"


def labels(conn: Connection, *, before: datetime, now: datetime, limit: int) -> int:
    """Ask for the labels of moderations from before a moment to be erased, and return of how many assets."""
    kept = (one_of(_m.stage, [Stage.DECIDED]), _m.labels_key.is_not(None), _m.created_at < before)
    old = sa.select(_m.asset_id).where(*kept, _not_asked(_m.asset_id, Scope.LABELS))
    return _ask(conn, old.order_by(_m.created_at, _m.asset_id), Scope.LABELS, now, limit)


def rejected(conn: Connection, *, before: datetime, now: datetime, limit: int) -> int:
    """Ask for the bytes of assets to be erased that were rejected, and not changed since a moment."""
    there = (one_of(_a.placed, [Placement.QUARANTINE]), _a.deleted_at.is_(None), _a.updated_at < before)
    settled = (_a.wanted == Placement.QUARANTINE, _a.due_at.is_(None))
    old = sa.select(_a.id).where(*there, *settled, _not_asked(_a.id, Scope.BYTES))
    return _ask(conn, old.order_by(_a.updated_at, _a.id), Scope.BYTES, now, limit)


def deleted(conn: Connection, *, before: datetime, now: datetime, limit: int) -> int:
    """Ask for assets that were deleted before a moment to be erased, with all that is kept about them."""
    old = sa.select(_a.id).where(_a.deleted_at < before, _not_asked(_a.id, Scope.ASSET))
    return _ask(conn, old.order_by(_a.deleted_at, _a.id), Scope.ASSET, now, limit)


def _ask(conn: Connection, found: sa.Select[Any], scope: Scope, now: datetime, limit: int) -> int:
    ids = set(conn.execute(found.limit(limit)).scalars())
    there = conn.execute(sa.select(table).where(_a.id.in_(ids)).order_by(_a.id)).mappings()
    return sum(erasures.ask(conn, assets.parse(row), scope, by=BY, now=now) for row in there.all())


def _not_asked(asset_id: sa.ColumnElement[str], scope: Scope) -> sa.ColumnElement[bool]:
    return ~sa.exists().where(asked.c.asset_id == asset_id, asked.c.scope == str(scope))
