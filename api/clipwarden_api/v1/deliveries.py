"""Deliveries: what was told to whom and how that went, and telling it once more."""

import time

from sqlalchemy import Connection

from clipwarden import errors, ids
from clipwarden.moderation import Delivery as Row
from clipwarden.store import attempts, endpoints, replays
from clipwarden.store import deliveries as store
from clipwarden.store.engine import read, write
from clipwarden.store.replays import Search
from clipwarden_api.v1 import problems, reading
from clipwarden_api.v1.callback_models import (
    Attempt,
    Delivery,
    DeliveryFilter,
    DeliveryPage,
    DeliveryShown,
    Replayed,
)
from clipwarden_api.v1.operation import Answer, Call

#: Deliveries that one transaction replays, and seconds after which a call leaves the rest to the next one.
_BATCH, _PATIENCE = 500, 10.0


def listing(call: Call) -> Answer:
    """Return a page of the account's deliveries, the newest first."""

    def find(conn: Connection) -> DeliveryPage:
        search = _search(conn, call, call.query, place="?endpoint_id")
        try:
            items, cursor = replays.page(conn, search, limit=call.query.limit, after=call.query.cursor)
        except errors.Conflict as exc:
            raise problems.fault("?cursor", str(exc)) from exc
        return DeliveryPage(items=[said(one) for one in items], next=cursor)

    found = call.services.listings.ask(find)
    return reading.paged(call, found, found.next)


def show(call: Call) -> Answer:
    """Return one delivery, with its body and its attempts."""
    with read(call.services.engine) as conn:
        row = _found(conn, call)
        log = [
            Attempt(
                attempt=one.attempt,
                at=one.created_at,
                seconds=round(one.seconds, 6),
                request_headers=one.request_headers,
                status=one.status,
                response_headers=one.response_headers,
                response_body=one.response_body,
                error=one.error,
            )
            for one in attempts.of_delivery(conn, row.id)
        ]
    return Answer.of(DeliveryShown(**said(row).model_dump(), body=row.body, log=log))


def replay(call: Call) -> Answer:
    """Have one delivery attempted at once, and by the whole schedule; id and body stay."""
    with write(call.services.engine) as conn:
        _found(conn, call)
        return call.done(conn, 200, said(replays.replay(conn, call.id, now=call.services.clock.now())))


def replay_found(call: Call) -> Answer:
    """Have all deliveries attempted that a search finds, in batches, for as long as a call may take."""
    services = call.services
    began = services.clock.now()
    # Of a moment that is yet to come, everything that is sent meanwhile would be sent again.
    as_of = min(call.asked.as_of or began, began)
    with read(services.engine) as conn:
        search = _search(conn, call, call.asked, place="/endpoint_id")
    total, more = 0, True
    ends = time.monotonic() + _PATIENCE
    while more and time.monotonic() < ends:
        with write(services.engine) as conn:
            count, more = replays.replay_all(conn, search, limit=_BATCH, as_of=as_of, now=began)
        total += count
    with write(services.engine) as conn:
        return call.done(conn, 200, Replayed(replayed=total, more=more, as_of=as_of))


def said(row: Row) -> Delivery:
    """Return what is said of a delivery."""
    return Delivery(
        id=row.id,
        stage=row.stage,
        event=row.event,
        url=row.url,
        moderation_id=row.moderation_id,
        asset_id=row.asset_id.replace("-", "") if row.asset_id is not None else None,
        sequence=row.sequence,
        attempts=row.attempt,
        last_status=row.last_status,
        last_error=row.last_error,
        due_at=row.due_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        delivered_at=row.delivered_at,
    )


def _search(conn: Connection, call: Call, asked: DeliveryFilter, *, place: str) -> Search:
    """Return what is asked for; raises Problem, about this place in the request, for an unknown endpoint."""
    return Search(
        account_id=call.caller.account.id,
        stage=asked.stage,
        event=asked.event,
        url=asked.url if asked.endpoint_id is None else _url(conn, call, asked.endpoint_id, place),
        moderation_id=asked.moderation_id,
        asset_id=ids.read(asked.asset_id) if asked.asset_id is not None else None,
        since=asked.created_since,
        until=asked.created_before,
    )


def _url(conn: Connection, call: Call, endpoint_id: str, place: str) -> str:
    found = endpoints.by_id(conn, call.caller.account.id, endpoint_id)
    if found is None:
        raise problems.fault(place, "there is no such endpoint")
    return found.url


def _found(conn: Connection, call: Call) -> Row:
    found = store.by_id(conn, call.id)
    if found is None or found.account_id != call.caller.account.id:
        raise errors.NotFound("there is no such delivery")
    return found
