"""Telling the endpoints that are to know of an event, in the caller's transaction: a delivery for each of them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from clipwarden import ids, samples
from clipwarden.moderation import Account, Delivery
from clipwarden.samples import Sample
from clipwarden.store import deliveries, endpoint_states, endpoints


def tell(
    conn: Connection,
    account: Account,
    bodies: Mapping[str, str],
    *,
    named: Iterable[str],
    now: datetime,
    told_at: datetime | None = None,
    sequence: int = 0,
    moderation_id: str | None = None,
    asset_id: str | None = None,
) -> None:
    """Have every URL told that is to know of some events: those that the call named or the account's, and endpoints.

    ``bodies`` are what is said of each event, by its name, in the order in which an endpoint is to hear of them.
    """
    about: dict[str, Any] = {"sequence": sequence, "moderation_id": moderation_id, "asset_id": asset_id}
    told = {event: endpoints.told(conn, account, event, named) for event in bodies}
    if len(told) > 1:
        endpoint_states.hold(conn, account.id, [url for urls in told.values() for url in urls], now=now)
    for event, body in bodies.items():
        to(conn, account, event, body, urls=told[event], now=now, told_at=told_at, **about)


def to(
    conn: Connection,
    account: Account,
    event: str,
    body: str,
    *,
    urls: Iterable[str],
    now: datetime,
    told_at: datetime | None = None,
    **about: Any,
) -> None:
    """Have these URLs told of the event, now or at ``told_at``; ``about`` are further columns of deliveries."""
    # In one order for all: each delivery locks what is known of its endpoint.
    for url in sorted(urls, key=lambda url: (endpoint_states.origin(url), url)):
        deliveries.add(
            conn,
            id=ids.new_id(),
            account_id=account.id,
            event=event,
            **{"sequence": 0, **about},
            url=url,
            body=body,
            due_at=told_at or now,
            now=now,
        )


def test(
    conn: Connection,
    account: Account,
    url: str,
    *,
    sample: Sample,
    by: str,
    public_url: str,
    now: datetime,
) -> Delivery:
    """Have one URL told of a test, as it is told of everything else, and return the delivery.

    Whatever the sample is of, the event of the delivery is a test.
    """
    id, body = ids.new_id(), samples.body(account, sample, by=by, public_url=public_url, triggered_at=now)
    about: dict[str, Any] = {"event": "test", "sequence": 0, "body": body}
    deliveries.add(conn, id=id, account_id=account.id, url=url, due_at=now, now=now, **about)
    made = deliveries.by_id(conn, id)
    assert made is not None  # noqa: S101 - its id is new; tells the type checker
    return made


def anybody(conn: Connection, account: Account, event: str, named: Iterable[str]) -> bool:
    """Say whether there is somebody to be told."""
    return bool(endpoints.told(conn, account, event, named))
