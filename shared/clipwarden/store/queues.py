"""Queues: the moderations that people look at, with their assets, by everything that a person may ask about them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection, RowMapping

from clipwarden.moderation import Asset, Kind, Moderation, Status
from clipwarden.store import assets, cursor, moderations
from clipwarden.store.schema import accounts as owners
from clipwarden.store.schema import asset_tags, one_of, reviews
from clipwarden.store.schema import assets as asset_table
from clipwarden.store.schema import moderations as table

#: Moderations of a kind and status that are counted at most; one more says that there are more.
MANY = 10_000

_c = table.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which moderations are meant, each its asset's newest of its kind; what is ``None`` excludes none."""

    account_ids: Collection[str] | None = None  #: Whose; none at all where it is empty.
    kind: Kind | None = None
    status: Status | None = None
    policies: Mapping[str, str] | None = None  #: Judged by these, canonical, by the accounts' ids.
    category: str | None = None  #: The name of a category that was seen, whatever its case.
    at_least: float | None = None  #: The confidence, 0 to 100, with which it, or any category, was seen.
    at_most: float | None = None
    since: datetime | None = None  #: Accepted then or later.
    before: datetime | None = None
    tag: str | None = None
    decided_by: str | None = None  #: ``policy``, ``human``, or ``human:NAME``.
    escalated: bool = False  #: Only those about which somebody has asked for help.
    error: str | None = None  #: The error code of what was aborted.
    about: sa.ColumnElement[bool] | None = None  #: A condition on the assets.


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A moderation as queues list it."""

    moderation: Moderation
    asset: Asset
    escalated_by: str | None
    holder_id: str | None  #: Who has it before them now.


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some entries, and the cursor of the next page, if there is one."""

    items: tuple[Entry, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many moderations of a kind have a status, and when the oldest was accepted."""

    kind: Kind
    status: Status
    count: int  #: ``MANY + 1`` where there are more than ``MANY``.
    oldest: datetime


def page(conn: Connection, search: Search, *, limit: int, after: str | None, now: datetime) -> Page:
    """Return a page of the moderations, the newest first; raises Conflict when ``after`` is not a cursor."""
    query = cursor.paged(_query(conn, search), (_c.created_at, _c.id), limit=limit, after=after, newest_first=True)
    found = _entries(conn, query, now)
    end = found[limit - 1].moderation if found[limit:] else None
    return Page(items=tuple(found[:limit]), next_cursor=cursor.encode(end.created_at, end.id) if end else None)


def following(
    conn: Connection, search: Search, *, user_id: str, after: Moderation | None, now: datetime
) -> Entry | None:
    """Return the oldest moderation after this one that nobody else has before them; then from the beginning again."""
    free = sa.or_(reviews.c.held_until.is_(None), reviews.c.held_until <= now, reviews.c.holder_id == user_id)
    query = _query(conn, search).where(free).order_by(_c.created_at, _c.id).limit(1)
    if after is None:
        return next(iter(_entries(conn, query, now)), None)
    place = sa.tuple_(_c.created_at, _c.id)
    last = sa.tuple_(sa.literal(after.created_at, _c.created_at.type), sa.literal(after.id, _c.id.type))
    later = _entries(conn, query.where(place > last), now)
    return next(iter(later or _entries(conn, query.where(place < last), now)), None)


def count(conn: Connection, search: Search, *, limit: int) -> int:
    """Count the moderations that are meant, no further than a limit."""
    found = selected(conn, search).limit(limit).subquery()
    return int(conn.execute(sa.select(sa.func.count()).select_from(found)).scalar_one())


def selected(conn: Connection, search: Search) -> sa.Select[tuple[str, int]]:
    """Return the query for ids, and numbers of decisions, of the moderations that are meant."""
    joined = table.join(asset_table, asset_table.c.id == _c.asset_id)
    joined = joined.outerjoin(reviews, reviews.c.moderation_id == _c.id)
    return sa.select(_c.id, _c.decisions).select_from(joined).where(*_conditions(conn, search))


def counts(conn: Connection, account_ids: Collection[str] | None) -> list[Count]:
    """Count what is its asset's newest of its kind, by kind and status, each no further than ``MANY + 1``."""
    query = sa.union_all(*(_counted(kind, status, account_ids) for kind in Kind for status in Status))
    return [
        Count(kind=Kind(row.kind), status=Status(row.status), count=row.how_many, oldest=row.oldest)
        for row in conn.execute(query)
        if row.how_many
    ]


def escalated(conn: Connection, account_ids: Collection[str] | None) -> int:
    """Count the moderations about which somebody has asked for help, no further than ``MANY + 1``."""
    there = sa.select(sa.literal(1)).select_from(reviews).where(reviews.c.escalated_at.is_not(None))
    if account_ids is not None:
        there = there.where(reviews.c.account_id.in_(list(account_ids)))
    return int(conn.execute(_capped(there)).scalar_one())


def _counted(kind: Kind, status: Status, account_ids: Collection[str] | None) -> sa.Select[Any]:
    """Return the query for one row of the counts; it names the accounts, which come first in the index of these."""
    whose = sa.select(owners.c.id) if account_ids is None else list(account_ids)
    such = [one_of(_c.kind, [kind]), one_of(_c.status, [status]), _c.superseded.is_(False)]
    there = sa.select(sa.literal(1)).select_from(table).where(_c.account_id.in_(whose), *such)
    first = sa.select(_c.created_at).where(_c.account_id == owners.c.id, *such).order_by(_c.created_at).limit(1)
    oldest = sa.func.min(first.correlate(owners).scalar_subquery(), type_=_c.created_at.type)
    return sa.select(
        sa.literal(str(kind)).label("kind"),
        sa.literal(str(status)).label("status"),
        _capped(there).scalar_subquery().label("how_many"),
        sa.select(oldest).select_from(owners).where(owners.c.id.in_(whose)).scalar_subquery().label("oldest"),
    )


def _capped(there: sa.Select[Any]) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(there.limit(MANY + 1).subquery())


def _query(conn: Connection, search: Search) -> sa.Select[Any]:
    mine = [column.label(f"m_{column.name}") for column in table.columns]
    its = [column.label(f"a_{column.name}") for column in asset_table.columns]
    noted = [reviews.c.escalated_by, reviews.c.holder_id, reviews.c.held_until]
    return selected(conn, search).with_only_columns(*mine, *its, *noted)


def _conditions(conn: Connection, search: Search) -> list[sa.ColumnElement[bool]]:
    asked: list[sa.ColumnElement[bool]] = [_c.superseded.is_(False), *_of(search.account_ids)]
    asked += [_c.kind == search.kind] if search.kind is not None else []
    asked += [_c.status == search.status] if search.status is not None else []
    if search.policies is not None:
        judged_so = [sa.and_(_c.account_id == id, _c.policy == policy) for id, policy in search.policies.items()]
        asked.append(sa.or_(sa.false(), *judged_so))
    asked += [_c.created_at >= search.since] if search.since is not None else []
    asked += [_c.created_at < search.before] if search.before is not None else []
    asked += [reviews.c.escalated_at.is_not(None)] if search.escalated else []
    asked += [_c.error_code == search.error] if search.error is not None else []
    asked += [search.about] if search.about is not None else []
    if search.tag is not None:
        tagged = sa.exists().where(asset_tags.c.asset_id == _c.asset_id, asset_tags.c.tag == search.tag)
        asked.append(tagged)
    if search.decided_by is not None:
        human = search.decided_by == "human"
        asked.append(_c.decided_by.startswith("human:") if human else _c.decided_by == search.decided_by)
    if (search.category, search.at_least, search.at_most) != (None, None, None):
        asked.append(_seen(conn, search))
    return asked


def _of(account_ids: Collection[str] | None) -> list[sa.ColumnElement[bool]]:
    if account_ids is None:
        return []
    return [_c.account_id.in_(list(account_ids))]


def _seen(conn: Connection, search: Search) -> sa.ColumnElement[bool]:
    """Return the condition that a category was seen, by what the verdict says of its highest confidence."""
    low = 0.0 if search.at_least is None else search.at_least
    high = 100.0 if search.at_most is None else search.at_most
    each, confidence, name = _maxima(conn.dialect.name)
    asked = [confidence >= low, confidence <= high]
    asked += [sa.func.lower(name) == search.category.lower()] if search.category is not None else []
    there = sa.exists(sa.select(sa.literal(1)).select_from(each).where(*asked))
    return sa.and_(_c.verdict.is_not(None), there)


def _maxima(dialect: str) -> tuple[sa.FromClause, sa.ColumnElement[Any], sa.ColumnElement[Any]]:
    """Return a row for each category of a verdict, with the confidence and the name of each."""
    if dialect == "sqlite":
        each = sa.func.json_each(_c.verdict, "$.maxima").table_valued("value", name="seen")
        found: list[sa.ColumnElement[Any]] = [
            sa.func.json_extract(each.c.value, path) for path in ("$.confidence", "$.path[#-1]")
        ]
        return each, found[0], found[1]
    elements = sa.func.jsonb_array_elements(_c.verdict["maxima"])
    one = elements.table_valued(sa.column("value", postgresql.JSONB()), name="seen")
    value = one.c.value
    return one, sa.cast(value["confidence"].astext, sa.Double), value["path"][-1].astext


def _entries(conn: Connection, query: sa.Select[Any], now: datetime) -> list[Entry]:
    found = []
    for row in conn.execute(query).mappings():
        held = row["held_until"] is not None and row["held_until"] > now
        found.append(
            Entry(
                moderation=moderations.parse(_own(row, "m_")),
                asset=assets.parse(_own(row, "a_")),
                escalated_by=row["escalated_by"],
                holder_id=row["holder_id"] if held else None,
            )
        )
    return found


def _own(row: RowMapping, prefix: str) -> Any:
    """Return the columns of one of the joined tables."""
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
