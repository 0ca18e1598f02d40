"""Callbacks: what was sent to whom, how each attempt went, and sending it once more."""

import time
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.responses import Response

from clipwarden import errors, ids
from clipwarden.moderation import Delivery, DeliveryStage
from clipwarden.store import attempts, audit, moderations, replays
from clipwarden.store import deliveries as store
from clipwarden.store.engine import read, write
from clipwarden.store.replays import Search
from clipwarden_api.console import filters
from clipwarden_api.console.routes import queue
from clipwarden_api.console.turned import Turned
from clipwarden_api.console.visit import Visit

_PAGE = 50
#: No further than this is counted what would be replayed.
_MANY = 10_000
#: Deliveries that one transaction replays, and seconds after which the rest is left to the next press of the button.
_BATCH, _PATIENCE = 500, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks for."""

    given: dict[str, str]
    search: Search


def listing(visit: Visit) -> Response:
    """Show a page of callbacks, the newest first."""
    asked = _asked(visit)
    with read(visit.services.engine) as conn:
        try:
            items, cursor = replays.page(conn, asked.search, limit=_PAGE, after=visit.asked.text("after"))
        except errors.Conflict as exc:
            raise Turned(422, "This page of callbacks is not there. Begin at the first one.") from exc
        known = queue.visible(conn, visit)
    return visit.page(
        "deliveries.html",
        items=items,
        cursor=cursor,
        given=asked.given,
        accounts=known,
        stages=list(DeliveryStage),
        now=visit.services.clock.now(),
        replayed=visit.asked.text("replayed"),
        more=visit.asked.flag("more"),
    )


def show(visit: Visit) -> Response:
    """Show one callback: its body, and each attempt."""
    with read(visit.services.engine) as conn:
        found = _named(conn, visit)
        log = attempts.of_delivery(conn, found.id)
        known = queue.visible(conn, visit)
    return visit.page(
        "delivery.html",
        one=found,
        log=log,
        accounts=known,
        now=visit.services.clock.now(),
        replayed=visit.asked.flag("replayed"),
    )


def replay(visit: Visit) -> Response:
    """Have one callback attempted at once, and by the whole schedule."""
    now = visit.services.clock.now()
    with write(visit.services.engine) as conn:
        found = _named(conn, visit)
        replays.replay(conn, found.id, now=now)
        _record(conn, visit, found.account_id, {"delivery": found.id})
    return visit.leads_to(f"/operations/deliveries/{found.id}?replayed=1")


def confirm(visit: Visit) -> Response:
    """Count what would be sent again, before it is."""
    asked = _asked(visit)
    _of_one_account(visit, asked)
    with read(visit.services.engine) as conn:
        count = replays.count(conn, asked.search, limit=_MANY)
    return visit.page("replay.html", count=count, many=_MANY, given=asked.given)


def replay_found(visit: Visit) -> Response:
    """Have all attempted that the search finds, for as long as a request may take."""
    asked, began = _asked(visit), visit.services.clock.now()
    account_id = _of_one_account(visit, asked)
    total, more = 0, True
    ends = time.monotonic() + _PATIENCE
    while more and time.monotonic() < ends:
        with write(visit.services.engine) as conn:
            count, more = replays.replay_all(conn, asked.search, limit=_BATCH, as_of=began, now=began)
            total += count
            if count:
                _record(conn, visit, account_id, {"search": asked.given, "replayed": count})
    said = {"replayed": str(total)} | ({"more": "1"} if more else {})
    return visit.leads_to(f"/operations/deliveries{filters.address(asked.given | said)}")


def _of_one_account(visit: Visit, asked: Asked) -> str:
    """Return the account whose callbacks are meant: many at once are sent again for one at a time."""
    mine = asked.search.account_ids
    if mine is None:
        with read(visit.services.engine) as conn:
            mine = list(queue.visible(conn, visit))
    if len(mine) != 1:
        raise Turned(422, "Choose an account first: its callbacks alone are sent again.")
    return next(iter(mine))


def _asked(visit: Visit) -> Asked:
    names = ("stage", "account", "url", "since", "before")
    given = {name: (visit.asked.text(name) or "").strip()[:2000] for name in names}
    if given["stage"] and given["stage"] not in set(DeliveryStage):
        raise Turned(422, "Callbacks have no such stage.")
    with read(visit.services.engine) as conn:
        known = queue.visible(conn, visit)
    chosen = [id for id, name in known.items() if given["account"] in ("", name)]
    return Asked(
        given=given,
        search=Search(
            account_ids=None if visit.user.account_ids is None and not given["account"] else chosen,
            stage=DeliveryStage(given["stage"]) if given["stage"] else None,
            url=given["url"] or None,
            since=filters.day(given["since"]),
            until=filters.day(given["before"], days=1),
        ),
    )


def _named(conn: Connection, visit: Visit) -> Delivery:
    id = ids.read(visit.path["id"])
    found = store.by_id(conn, id) if id is not None else None
    if found is None or not visit.user.sees(found.account_id):
        raise errors.NotFound("there is no such callback")
    return found


def _record(conn: Connection, visit: Visit, account_id: str, detail: dict[str, object]) -> None:
    audit.record(
        conn,
        account_id=account_id,
        actor=f"{moderations.BY_HUMAN}{visit.user.name}",
        action="replayed",
        now=visit.services.clock.now(),
        detail=detail,
    )
