"""Who may work on a row, and until when: the one mechanism of moderations, assets and deliveries.

``due_at`` is the moment at which somebody must look at a row again. Who takes a row moves it past the lease, so that a
row whose taker died falls due by itself. ``fence`` grows with every taking and every change: whoever writes names the
fence it took, and a row that has moved on since is left alone.
"""

import functools
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden.store.schema import one_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A row that must be looked at now."""

    id: str
    stage: str | None  #: ``None`` for tables without stages.
    fence: int


def take(
    conn: Connection,
    table: sa.Table,
    id: str,
    *,
    fence: int,
    until: datetime,
    stages: Collection[str] | None = None,
) -> RowMapping | None:
    """Take a row until then and return it with its new fence; ``None`` when it was taken or has moved on.

    ``stages`` are those in which the row may be; ``None`` for any, and for tables without stages.
    """
    taken = _take(table, _sorted(stages))
    values = {"held_id": id, "held_fence": fence, "fence": fence + 1, "due_at": until}
    return conn.execute(taken, values).mappings().one_or_none()


def renew(conn: Connection, table: sa.Table, held: Collection[tuple[str, int]], *, until: datetime) -> int:
    """Prolong the leases that these (id, fence) still hold, and return how many those are.

    Rows that somebody else has locked are left: whoever ends a lease now may wait for no other row of these.
    """
    if not held:
        return 0
    still = (
        sa.select(table.c.id)
        .where(sa.tuple_(table.c.id, table.c.fence).in_(held))
        .with_for_update(skip_locked=True, key_share=True)
    )
    return conn.execute(sa.update(table).where(table.c.id.in_(still)).values(due_at=until)).rowcount


def advance(conn: Connection, table: sa.Table, id: str, *, fence: int, now: datetime, **changes: Any) -> bool:
    """Apply changes, ending the lease; ``False``, and nothing changed, when the row has moved on."""
    return _change(conn, table, id, fence, {**changes, "fence": fence + 1, "updated_at": now})


def amend(conn: Connection, table: sa.Table, id: str, *, fence: int, now: datetime, **changes: Any) -> bool:
    """Apply changes while the lease goes on; ``False``, and nothing changed, when the row has moved on."""
    return _change(conn, table, id, fence, {**changes, "updated_at": now})


def due(
    conn: Connection,
    table: sa.Table,
    *,
    now: datetime,
    until: datetime,
    limit: int,
    stages: Collection[str] | None = None,
) -> list[Due]:
    """Return rows that are due, the longest overdue first, and move them to ``until`` so that nobody else returns them.

    Their fences stay, so that messages that are already on their way remain good. ``stages`` are those to look into: an
    empty collection finds nothing, ``None`` is for tables without stages.
    """
    if stages is not None and not stages:
        return []
    found = conn.execute(_due(table, _sorted(stages)), {"now": now, "most": limit}).all()
    rows = [Due(id=row.id, stage=row.stage, fence=row.fence) for row in found]
    if rows:
        conn.execute(sa.update(table).where(table.c.id.in_([row.id for row in rows])).values(due_at=until))
    return rows


def _change(conn: Connection, table: sa.Table, id: str, fence: int, values: dict[str, Any]) -> bool:
    statement, held = _held(table), {"held_id": id, "held_fence": fence}
    if "stage" in values and "stage_since" in table.c:
        statement, held = _entering(table), held | {"entered": values["stage"], "entered_at": values["updated_at"]}
    return conn.execute(statement, {**values, **held}).rowcount == 1


def _sorted(stages: Collection[str] | None) -> tuple[str, ...] | None:
    return None if stages is None else tuple(sorted(str(stage) for stage in stages))


# To build a statement takes several times as long as to execute it, so each is built once, and values go beside it.
@functools.cache
def _held(table: sa.Table) -> sa.Update:
    return sa.update(table).where(
        table.c.id == sa.bindparam("held_id", type_=table.c.id.type),
        table.c.fence == sa.bindparam("held_fence", type_=table.c.fence.type),
    )


@functools.cache
def _entering(table: sa.Table) -> sa.Update:
    """Note since when a row is in its stage: one that is put off there is as old as before."""
    stays = table.c.stage == sa.bindparam("entered", type_=table.c.stage.type)
    since = sa.case((stays, table.c.stage_since), else_=sa.bindparam("entered_at", type_=table.c.stage_since.type))
    return _held(table).values(stage_since=since)


@functools.cache
def _take(table: sa.Table, stages: tuple[str, ...] | None) -> sa.sql.dml.ReturningUpdate[Any]:
    held = _held(table) if stages is None else _held(table).where(one_of(table.c.stage, stages))
    return held.returning(table)


@functools.cache
def _due(table: sa.Table, stages: tuple[str, ...] | None) -> sa.Select[Any]:
    """Look into each stage for itself: each look is the head of an index, however many rows there are."""
    now, most = sa.bindparam("now", type_=table.c.due_at.type), sa.bindparam("most", type_=sa.Integer)
    looks = [None] if stages is None else [table.c.stage == stage for stage in stages]
    heads = sa.union_all(*(sa.select(_head(table, now, most, look)) for look in looks)).subquery()
    return sa.select(heads).order_by(heads.c.due_at, heads.c.id).limit(most)


def _head(
    table: sa.Table, now: sa.BindParameter[Any], most: sa.BindParameter[int], look: sa.ColumnElement[bool] | None
) -> sa.Subquery:
    stage = table.c.stage if "stage" in table.c else sa.null().label("stage")
    rows = sa.select(table.c.id, stage, table.c.fence, table.c.due_at)
    rows = rows.where(table.c.due_at.is_not(None), table.c.due_at <= now)
    if look is not None:
        rows = rows.where(look)
    return (
        rows.order_by(table.c.due_at, table.c.id)
        .limit(most)
        .with_for_update(skip_locked=True, key_share=True)
        .subquery()
    )
