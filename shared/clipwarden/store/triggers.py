"""Triggers: URLs that are to be told of an account's events, whatever call has led to them."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import errors, ids
from clipwarden.moderation import Trigger
from clipwarden.store import rows
from clipwarden.store.schema import accounts
from clipwarden.store.schema import triggers as table

#: Of one account, at most.
MOST = 30


def create(conn: Connection, *, account_id: str, uri: str, event_type: str, now: datetime) -> Trigger:
    """Create a trigger; raises Conflict where there is the same one, and when there are too many."""
    # Whoever creates one waits for whoever does at the same time: they are counted.
    conn.execute(sa.select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())
    if conn.execute(sa.select(sa.func.count()).where(table.c.account_id == account_id)).scalar_one() >= MOST:
        raise errors.Conflict(f"An account has at most {MOST} triggers")
    values = {"id": ids.new_id(), "account_id": account_id, "uri": uri, "event_type": event_type}
    row = rows.insert_unless_present(conn, table, values | {"created_at": now, "updated_at": now})
    if row is None:
        raise errors.Conflict(f"There is a trigger for {event_type} to this URI already")
    return parse(row)


def of_account(conn: Connection, account_id: str, event_type: str | None = None) -> list[Trigger]:
    """Return an account's triggers, for one event or all, the oldest first."""
    query = sa.select(table).where(table.c.account_id == account_id).order_by(table.c.created_at, table.c.id)
    if event_type is not None:
        query = query.where(table.c.event_type == event_type)
    return [parse(row) for row in conn.execute(query).mappings()]


def redirect(conn: Connection, account_id: str, id: str, *, uri: str, now: datetime) -> Trigger | None:
    """Give the account's trigger another URI, and return it; ``None`` where there is none with this id.

    Raises Conflict where there is the same one already; the transaction cannot be used after that.
    """
    changed = sa.update(table).where(table.c.account_id == account_id, table.c.id == id)
    try:
        row = conn.execute(changed.values(uri=uri, updated_at=now).returning(table)).mappings().one_or_none()
    except sa.exc.IntegrityError as exc:
        raise errors.Conflict("There is a trigger for this event to this URI already") from exc
    return parse(row) if row is not None else None


def delete(conn: Connection, account_id: str, id: str) -> bool:
    """Forget the account's trigger with this id, and say whether there was one."""
    return conn.execute(sa.delete(table).where(table.c.account_id == account_id, table.c.id == id)).rowcount == 1


def parse(row: RowMapping) -> Trigger:
    """Return the trigger that a row of ``triggers`` holds."""
    return Trigger(**row)
