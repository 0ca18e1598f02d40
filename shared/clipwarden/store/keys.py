"""API keys: each account has one that is its own, whose secret signs callbacks, and any number of further ones."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import errors, ids
from clipwarden.moderation import Account
from clipwarden.store.schema import accounts, api_keys

_c = api_keys.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as its account sees it, without its secret."""

    key: str
    own: bool  #: Whether its secret signs the account's callbacks.
    enabled: bool
    created_at: datetime


def every(conn: Connection, account: Account) -> list[Key]:
    """Return the account's keys, its own first, then by age."""
    own = Key(key=account.api_key, own=True, enabled=True, created_at=account.created_at)
    query = sa.select(_c.key, _c.enabled, _c.created_at).where(_c.account_id == account.id)
    rows = conn.execute(query.order_by(_c.created_at, _c.key))
    return [own, *(Key(key=row.key, own=False, enabled=row.enabled, created_at=row.created_at) for row in rows)]


def add(conn: Connection, account: Account, key: str, secret: str, *, now: datetime) -> None:
    """Give the account one more key; raises Conflict for one that somebody has."""
    taken = sa.select(sa.exists().where(accounts.c.api_key == key) | sa.exists().where(_c.key == key))
    if conn.execute(taken).scalar_one():
        raise errors.Conflict(f"the key {key} is in use")
    values = {"id": ids.new_id(), "account_id": account.id, "key": key, "secret": secret, "created_at": now}
    try:
        conn.execute(sa.insert(api_keys).values(**values, enabled=True))
    except sa.exc.IntegrityError as exc:
        raise errors.Conflict(f"the key {key} is in use") from exc


def switch(conn: Connection, account: Account, key: str, *, enabled: bool) -> None:
    """Let a key open what it did, or nothing from now on; raises Conflict for the account's own key, and NotFound."""
    _require_further(account, key)
    changed = sa.update(api_keys).where(_c.account_id == account.id, _c.key == key).values(enabled=enabled)
    if not conn.execute(changed).rowcount:
        raise _unknown(account, key)


def delete(conn: Connection, account: Account, key: str) -> None:
    """Forget a key; raises Conflict for the account's own one, and NotFound."""
    _require_further(account, key)
    if not conn.execute(sa.delete(api_keys).where(_c.account_id == account.id, _c.key == key)).rowcount:
        raise _unknown(account, key)


def promote(conn: Connection, account: Account, key: str, *, now: datetime) -> None:
    """Make a key the account's own, which signs callbacks; the one before stays as a further key.

    Raises NotFound for a key that the account does not have, and Conflict for one that is disabled.
    """
    if key == account.api_key:
        return
    query = sa.select(_c.secret, _c.enabled).where(_c.account_id == account.id, _c.key == key).with_for_update()
    found = conn.execute(query).one_or_none()
    if found is None:
        raise _unknown(account, key)
    if not found.enabled:
        raise errors.Conflict(f"the key {key} is disabled: enable it first")
    delete(conn, account, key)
    own = sa.update(accounts).where(accounts.c.id == account.id, accounts.c.api_key == account.api_key)
    if not conn.execute(own.values(api_key=key, api_secret=found.secret)).rowcount:
        raise errors.Conflict(f"account {account.name} was given another key at the same time")
    add(conn, account, account.api_key, account.api_secret, now=now)


def _require_further(account: Account, key: str) -> None:
    if key == account.api_key:
        raise errors.Conflict(f"{key} is the account's own key: promote another one first, then this can go")


def _unknown(account: Account, key: str) -> errors.NotFound:
    return errors.NotFound(f"account {account.name} has no key {key}")
