"""Accounts: the tenants."""

import functools
from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import errors, ids, webhooks
from clipwarden.moderation import Account
from clipwarden.store import rows
from clipwarden.store.schema import accounts, api_keys


def ensure(
    conn: Connection, *, name: str, api_key: str, api_secret: str, now: datetime, notification_url: str | None = None
) -> Account:
    """Create the account, or give the existing one this key and secret, and this URL unless it is ``None``.

    Raises Conflict when another account has the key; the transaction cannot be used after that.
    """
    given = {"api_key": api_key, "api_secret": api_secret}
    if notification_url is not None:
        given["notification_url"] = notification_url
    defaults: dict[str, object] = {"signature_algorithm": "sha1", "default_taxonomy": "6.1", "weight": 1.0}
    defaults |= {"webhook_secret": webhooks.new_secret()}
    values = {"id": ids.new_id(), "name": name, "created_at": now, **defaults, **given}
    try:
        row = rows.insert_or_update(conn, accounts, values, key="name", update=given)
    except sa.exc.IntegrityError as exc:
        raise errors.Conflict(f"the API key of account {name} is another account's") from exc
    return parse(row)


def share(conn: Connection, id: str, *, weight: float, max_in_flight: int | None) -> None:
    """Set an account's share of the slots, and the most it may hold in one pool.

    Raises Conflict for a weight that is not above 0, or a cap below 0.
    """
    if not 0 < weight < float("inf") or (max_in_flight is not None and max_in_flight < 0):
        raise errors.Conflict("an account's weight must be above 0, and its cap 0 or more")
    values = {"weight": weight, "max_in_flight": max_in_flight}
    conn.execute(sa.update(accounts).where(accounts.c.id == id).values(**values))


def by_name(conn: Connection, name: str) -> Account | None:
    """Return the account of this name."""
    row = conn.execute(sa.select(accounts).where(accounts.c.name == name)).mappings().one_or_none()
    return parse(row) if row is not None else None


def by_names(conn: Connection, names: Collection[str]) -> dict[str, Account]:
    """Return those accounts of these names that there are."""
    found = conn.execute(sa.select(accounts).where(accounts.c.name.in_(sorted(names)))).mappings()
    return {row["name"]: parse(row) for row in found}


def every(conn: Connection) -> list[Account]:
    """Return all accounts by their names."""
    return [parse(row) for row in conn.execute(sa.select(accounts).order_by(accounts.c.name)).mappings()]


def by_key(conn: Connection, key: str) -> tuple[Account, str] | None:
    """Return the account that an API key belongs to, and the key's secret; ``None`` for keys that are not enabled."""
    own = conn.execute(_by_key(), {"wanted": key}).mappings().one_or_none()
    if own is not None:
        return parse(own), own["api_secret"]
    further = sa.select(api_keys).where(api_keys.c.key == key, api_keys.c.enabled)
    found = conn.execute(further).mappings().one_or_none()
    account = by_id(conn, found["account_id"]) if found is not None else None
    return (account, found["secret"]) if found is not None and account is not None else None


def by_id(conn: Connection, id: str) -> Account | None:
    """Return the account with this id."""
    row = rows.by_id(conn, accounts, id)
    return parse(row) if row is not None else None


# Built once: every call executes it.
@functools.cache
def _by_key() -> sa.Select[Any]:
    return sa.select(accounts).where(accounts.c.api_key == sa.bindparam("wanted", type_=accounts.c.api_key.type))


def parse(row: RowMapping) -> Account:
    """Return the account that a row of ``accounts`` holds."""
    return Account(**row)
