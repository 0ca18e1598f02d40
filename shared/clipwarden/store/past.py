"""Moderations that ended with a verdict, as simulations of policies read them: the newest first, some at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.moderation import Kind, Status
from clipwarden.store import cursor
from clipwarden.store.moderations import BY_HUMAN
from clipwarden.store.schema import accounts, gists, moderations

_c = moderations.c
_origin = moderations.alias("origin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which moderations are meant: those that match all that is given."""

    account_id: str | None = None
    kind: Kind = Kind.AWS_REK_VIDEO
    policy: str | None = None  #: Their own, canonical.
    since: datetime | None = None  #: Accepted then or later.
    before: datetime | None = None  #: Accepted earlier than that.


@dataclass(frozen=True, slots=True)
class Past:
    """A moderation that ended with a verdict."""

    id: str
    asset_id: str
    created_at: datetime
    status: Status
    by_human: bool
    policy: str
    default_taxonomy: str  #: The account's.
    model_version: str | None
    labels_key: str | None
    kept_from: float  #: The confidence, 0 to 100, from which on all labels are kept.
    gist: str | None  #: As it is kept.

    @property
    def cursor(self) -> str:
        """Return what leads to the moderations after this one."""
        return cursor.encode(self.created_at, self.id)


def page(conn: Connection, search: Search, *, after: str | None, limit: int) -> Sequence[Past]:
    """Return the next of the moderations that are meant; raises Conflict when ``after`` is not a cursor.

    What only judges another one's labels by another policy is left out: nothing has come in by it.
    """
    query = _joined().where(*_wanted(search)).order_by(_c.created_at.desc(), _c.id.desc()).limit(limit)
    if after is not None:
        created_at, last_id = cursor.decode(after)
        last = sa.tuple_(sa.literal(created_at, _c.created_at.type), sa.literal(last_id, _c.id.type))
        query = query.where(sa.tuple_(_c.created_at, _c.id) < last)
    _alone(conn)
    return [_parse(row) for row in conn.execute(query)]


def _alone(conn: Connection) -> None:
    """Keep PostgreSQL from starting processes for a page, which takes longer than reading one, and let it take long."""
    if conn.dialect.name == "postgresql":
        limits = {"max_parallel_workers_per_gather": "0", "statement_timeout": "0"}
        conn.execute(sa.select(*(sa.func.set_config(name, value, True) for name, value in limits.items())))


def _parse(row: Sequence[Any]) -> Past:
    id, asset_id, created_at, status, by, *rest = row
    return Past(id, asset_id, created_at, Status(status), (by or "").startswith(BY_HUMAN), *rest)


def _joined() -> sa.Select[Any]:
    kept_from = sa.func.coalesce(_origin.c.min_confidence, _c.min_confidence, 0.0)
    known = moderations.join(accounts, accounts.c.id == _c.account_id)
    known = known.outerjoin(gists, gists.c.labels_key == _c.labels_key)
    known = known.outerjoin(_origin, _origin.c.id == _c.labels_of)
    columns = (
        *(_c.id, _c.asset_id, _c.created_at, _c.status, _c.decided_by, _c.policy, accounts.c.default_taxonomy),
        *(_c.model_version, _c.labels_key, kept_from, gists.c.gist),
    )
    return sa.select(*columns).select_from(known)


def _wanted(search: Search) -> list[sa.ColumnElement[bool]]:
    found = [
        # What has no verdict is left out by name: to look for those that have one, SQLite sorts them all for each page.
        _c.status.not_in([Status.QUEUED, Status.PENDING, Status.ABORTED]),
        _c.kind == search.kind,
        _c.rejudges.is_(None),
    ]
    same = {"account_id": search.account_id, "policy": search.policy}
    found += [_c[name] == value for name, value in same.items() if value is not None]
    if search.since is not None:
        found.append(_c.created_at >= search.since)
    if search.before is not None:
        found.append(_c.created_at < search.before)
    return found
