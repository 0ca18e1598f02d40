"""Queues that people have given names to, for themselves or for everybody."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import errors, ids
from clipwarden.store.schema import saved_filters as table
from clipwarden.store.schema import users

_c = table.c
#: Filters that one person may keep.
MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFilter:
    """A queue's address by a name."""

    id: str
    user_id: str
    by: str  #: The user's name.
    name: str
    query: str  #: As it stands in the address, without the question mark.
    shared: bool


def keep(conn: Connection, user_id: str, name: str, query: str, *, shared: bool, now: datetime) -> None:
    """Keep a filter in place of the same person's one of that name; raises Conflict for one too many, or no name."""
    if not 0 < len(name) <= 60 or not name.isprintable():  # noqa: PLR2004 # more is no name
        raise errors.Conflict("a filter's name has 1 to 60 characters")
    mine = sa.and_(_c.user_id == user_id, _c.name == name)
    if conn.execute(sa.update(table).where(mine).values(query=query, shared=shared)).rowcount:
        return
    count = conn.execute(sa.select(sa.func.count()).where(_c.user_id == user_id)).scalar_one()
    if count >= MOST:
        raise errors.Conflict(f"you have {MOST} filters already: delete one first")
    values = {"id": ids.new_id(), "user_id": user_id, "name": name, "query": query, "shared": shared}
    conn.execute(sa.insert(table).values(**values, created_at=now))


def seen_by(conn: Connection, user_id: str) -> list[SavedFilter]:
    """Return a person's own filters and those that others share, by their names."""
    query = sa.select(_c.id, _c.user_id, _c.name, _c.query, _c.shared, users.c.name.label("by"))
    query = query.join_from(table, users, users.c.id == _c.user_id)
    query = query.where(sa.or_(_c.user_id == user_id, _c.shared)).order_by(_c.name, _c.id)
    return [SavedFilter(**row) for row in conn.execute(query).mappings()]


def forget(conn: Connection, id: str, *, user_id: str) -> bool:
    """Forget one's own filter, and say whether it was there."""
    return conn.execute(sa.delete(table).where(_c.id == id, _c.user_id == user_id)).rowcount > 0
