"""What is past its time, as settings say it: erasures are asked for, the oldest first, and each only once."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.moderation import Placement, Scope, Stage
from clipwarden.store import assets, erasures, versions
from clipwarden.store.schema import asset_versions, moderations, one_of
from clipwarden.store.schema import assets as table
from clipwarden.store.schema import erasures as asked

_a, _m, _v = table.c, moderations.c, asset_versions.c

#: Who asks for what nobody else did.
BY = "retention"


def labels(conn: Connection, *, before: datetime, now: datetime, limit: int) -> int:
    """Ask for the labels of moderations from before a moment to be erased, and return of how many."""
    kept = (one_of(_m.stage, [Stage.DECIDED]), _m.labels_key.is_not(None), _m.created_at < before)
    old = sa.select(_m.asset_id).where(*kept, _not_asked(_m.asset_id, Scope.LABELS))
    return _ask(conn, Scope.LABELS, now, limit, old.order_by(_m.created_at, _m.asset_id))


def rejected(conn: Connection, *, before: datetime, now: datetime, limit: int) -> int:
    """Ask for bytes to be erased that were rejected, and not changed since a moment: present ones, and kept ones."""
    there = (one_of(_a.placed, [Placement.QUARANTINE]), _a.bucket.is_not(None), _a.updated_at < before)
    settled = (_a.wanted == Placement.QUARANTINE, _a.due_at.is_(None))
    old = sa.select(_a.id).where(*there, *settled, _not_asked(_a.id, Scope.BYTES))
    kept = versions.rejected_before(before).with_only_columns(_v.asset_id).where(_not_asked(_v.asset_id, Scope.BYTES))
    return _ask(conn, Scope.BYTES, now, limit, old.order_by(_a.updated_at, _a.id), kept.order_by(_v.created_at, _v.id))


def deleted(conn: Connection, *, before: datetime, now: datetime, limit: int) -> int:
    """Ask for assets that were deleted before a moment to be erased, with all that is kept about them."""
    old = sa.select(_a.id).where(_a.deleted_at < before, _not_asked(_a.id, Scope.ASSET))
    return _ask(conn, Scope.ASSET, now, limit, old.order_by(_a.deleted_at, _a.id))


def _ask(conn: Connection, scope: Scope, now: datetime, limit: int, *found: sa.Select[Any]) -> int:
    """Ask for what is found, and return how much that is: of one asset there may be more."""
    ids = [id for one in found for id in conn.execute(one.limit(limit)).scalars()]
    there = conn.execute(sa.select(table).where(_a.id.in_(set(ids))).order_by(_a.id)).mappings()
    new = {row["id"] for row in there.all() if erasures.ask(conn, assets.parse(row), scope, by=BY, now=now)}
    return sum(id in new for id in ids)


def _not_asked(asset_id: sa.ColumnElement[str], scope: Scope) -> sa.ColumnElement[bool]:
    return ~sa.exists().where(asked.c.asset_id == asset_id, asked.c.scope == str(scope))
