"""Endpoints: URLs that are to be told of an account's events, and the secrets that sign what they are told."""

import functools
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import errors, ids, webhooks
from clipwarden.moderation import Account, Endpoint
from clipwarden.store import rows
from clipwarden.store.schema import accounts
from clipwarden.store.schema import endpoints as table

#: Of one account, at most.
MOST = 30
#: The type of the endpoint that is an account's own notification URL, and the type that means every event.
DEFAULT, ALL = "default", "all"
#: The type of a URL that calls have named, and that wants no more. No trigger's type has a hyphen.
NAMED = "per-call"

_c = table.c


def create(conn: Connection, *, account_id: str, url: str, event_type: str, now: datetime) -> Endpoint:
    """Create an endpoint; raises Conflict where there is the same one, and when there are too many."""
    # Whoever creates one waits for whoever does at the same time: they are counted.
    conn.execute(sa.select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True))
    count = sa.select(sa.func.count()).where(_c.account_id == account_id, _c.event_type.not_in([DEFAULT, NAMED]))
    if conn.execute(count).scalar_one() >= MOST:
        raise errors.Conflict(f"An account has at most {MOST} triggers")
    if (made := _made(conn, account_id, url, event_type, now)) is None:
        raise errors.Conflict(f"There is a trigger for {event_type} to this URI already")
    return made


def of_account(conn: Connection, account_id: str, event_type: str | None = None) -> list[Endpoint]:
    """Return an account's endpoints, for one event or all, the oldest first; not its own notification URL."""
    query = sa.select(table).where(_c.account_id == account_id, _c.event_type.not_in([DEFAULT, NAMED]))
    if event_type is not None:
        query = query.where(_c.event_type == event_type)
    return [parse(row) for row in conn.execute(query.order_by(_c.created_at, _c.id)).mappings()]


def every(conn: Connection, account_id: str) -> list[Endpoint]:
    """Return all that is known of an account's URLs, its own notification URL included; the oldest first."""
    query = sa.select(table).where(_c.account_id == account_id).order_by(_c.created_at, _c.id)
    return [parse(row) for row in conn.execute(query).mappings()]


def in_force(conn: Connection, account: Account) -> list[Endpoint]:
    """Return an account's endpoints without notification URLs that it had before; the oldest first."""
    return [one for one in every(conn, account.id) if one.event_type != DEFAULT or one.url == account.notification_url]


def own(conn: Connection, account: Account, *, now: datetime) -> None:
    """See to it that the account's own notification URL, if it has one, is among its endpoints."""
    if account.notification_url is not None:
        _made(conn, account.id, account.notification_url, DEFAULT, now)


def by_id(conn: Connection, account_id: str, id: str) -> Endpoint | None:
    """Return the account's endpoint with this id."""
    row = conn.execute(sa.select(table).where(_c.account_id == account_id, _c.id == id)).mappings().one_or_none()
    return parse(row) if row is not None else None


def at(conn: Connection, account_id: str, url: str) -> list[Endpoint]:
    """Return what is known of an account's URL, its own notification URL included; the oldest first."""
    query = sa.select(table).where(_c.account_id == account_id, _c.url == url).order_by(_c.created_at, _c.id)
    return [parse(row) for row in conn.execute(query).mappings()]


def told(conn: Connection, account: Account, event_type: str, named: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the URLs that are to be told of an event, each once.

    Those that the call itself has named are told instead of all others; without any, the account's own, and the
    endpoints of this event and of all events. What is disabled is not told.
    """
    asked = tuple(named)
    own = asked or ((account.notification_url,) if account.notification_url else ())
    wanted = {"of": account.id, "events": [] if asked else [event_type, ALL], "urls": list(own)}
    known = [parse(row) for row in conn.execute(_told(), wanted).mappings()]
    mute = {one.url for one in known if not one.enabled}
    listed = [one.url for one in known if one.event_type in (event_type, ALL)] if not asked else []
    return tuple(url for url in dict.fromkeys([*own, *listed]) if url not in mute)


def redirect(
    conn: Connection, account_id: str, id: str, *, url: str, now: datetime, event_type: str | None = None
) -> Endpoint | None:
    """Give the account's endpoint another URL, and another event where one is named, and return it.

    Return ``None`` where there is none with this id. Raises Conflict where there is the same one already; the
    transaction cannot be used after that.
    """
    values = {"url": url, "updated_at": now} | ({"event_type": event_type} if event_type is not None else {})
    changed = sa.update(table).where(_c.account_id == account_id, _c.id == id).values(**values)
    try:
        row = conn.execute(changed.returning(table)).mappings().one_or_none()
    except sa.exc.IntegrityError as exc:
        raise errors.Conflict("There is a trigger for this event to this URI already") from exc
    return parse(row) if row is not None else None


def delete(conn: Connection, account_id: str, id: str) -> bool:
    """Forget the account's endpoint with this id, and say whether there was one."""
    return conn.execute(sa.delete(table).where(_c.account_id == account_id, _c.id == id)).rowcount == 1


def disable(conn: Connection, account: Account, url: str, *, reason: str, now: datetime) -> bool:
    """Tell a URL of no further event until it is enabled, and say whether it was to be told of any."""
    own = account.notification_url == url
    if own or not at(conn, account.id, url):
        _made(conn, account.id, url, DEFAULT if own else NAMED, now)
    values = {"enabled": False, "disabled_at": now, "disabled_reason": reason, "updated_at": now}
    enabled = sa.update(table).where(_c.account_id == account.id, _c.url == url, _c.enabled)
    return conn.execute(enabled.values(**values)).rowcount > 0


def enable(conn: Connection, account_id: str, url: str, *, now: datetime) -> bool:
    """Tell a URL of events again, and say whether that is a change."""
    values = {"enabled": True, "disabled_at": None, "disabled_reason": None, "updated_at": now}
    disabled = sa.update(table).where(_c.account_id == account_id, _c.url == url, _c.enabled.is_(False))
    return conn.execute(disabled.values(**values)).rowcount > 0


def rotate(conn: Connection, account: Account, url: str | None, *, until: datetime, now: datetime) -> str:
    """Return a new secret, for one URL or the whole account; the one before signs beside it until then.

    Raises NotFound for a URL that no endpoint has.
    """
    secret = webhooks.new_secret()
    if url is None:
        values = {"webhook_secret_before": account.webhook_secret, "webhook_secret_until": until}
        of_account = sa.update(accounts).where(accounts.c.id == account.id)
        conn.execute(of_account.values(webhook_secret=secret, **values))
        return secret
    if account.notification_url == url:
        _made(conn, account.id, url, DEFAULT, now)
    if not (known := at(conn, account.id, url)):
        raise errors.NotFound("no endpoint of the account has this URL")
    before = next((one.secret for one in known if one.secret), account.webhook_secret)
    values = {"secret": secret, "secret_before": before, "secret_until": until, "updated_at": now}
    conn.execute(sa.update(table).where(_c.account_id == account.id, _c.url == url).values(**values))
    return secret


def secrets_for(conn: Connection, account: Account, url: str, *, now: datetime) -> tuple[str, ...]:
    """Return the secrets that sign what a URL is told now, the newest first; the account gets one if it has none."""
    own = next((one for one in at(conn, account.id, url) if one.secret), None)
    if own is not None and own.secret is not None:
        return _both(own.secret, own.secret_before, own.secret_until, now)
    current = account.webhook_secret or _first(conn, account)
    return _both(current, account.webhook_secret_before, account.webhook_secret_until, now)


def parse(row: RowMapping) -> Endpoint:
    """Return the endpoint that a row of ``endpoints`` holds."""
    return Endpoint(**row)


# Built once: every upload and every decision executes it.
@functools.cache
def _told() -> sa.Select[Any]:
    of = sa.bindparam("of", type_=_c.account_id.type)
    events, urls = (sa.bindparam(name, type_=sa.Text(), expanding=True) for name in ("events", "urls"))
    wanted = sa.or_(_c.event_type.in_(events), _c.url.in_(urls))
    return sa.select(table).where(_c.account_id == of, wanted).order_by(_c.created_at, _c.id)


def _made(conn: Connection, account_id: str, url: str, event_type: str, now: datetime) -> Endpoint | None:
    values = {"id": ids.new_id(), "account_id": account_id, "url": url, "event_type": event_type, "enabled": True}
    row = rows.insert_unless_present(conn, table, values | {"created_at": now, "updated_at": now})
    return parse(row) if row is not None else None


def _first(conn: Connection, account: Account) -> str:
    """Give an account of an earlier release its secret; of several that do so at once, one wins."""
    lacking = sa.update(accounts).where(accounts.c.id == account.id, accounts.c.webhook_secret.is_(None))
    conn.execute(lacking.values(webhook_secret=webhooks.new_secret()))
    query = sa.select(accounts.c.webhook_secret).where(accounts.c.id == account.id)
    secret: str = conn.execute(query).scalar_one()
    return secret


def _both(current: str, before: str | None, until: datetime | None, now: datetime) -> tuple[str, ...]:
    return (current, before) if before is not None and until is not None and now < until else (current,)
