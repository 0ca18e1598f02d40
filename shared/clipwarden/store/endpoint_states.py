"""How endpoints fare: which of their deliveries may be attempted now, and what an attempt teaches about them.

One row stands for all URLs of an origin that an account's callbacks go to; who locks several does so by accounts and
origins. Whoever hands out its deliveries, or reports
of one, holds the row's lock, so that its limits hold over all workers. ``due_at`` is when looking at it is worthwhile:
a pause of an endpoint moves this one moment, however many deliveries wait for it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import ids
from clipwarden.moderation import DeliveryStage, EndpointState
from clipwarden.store import rows
from clipwarden.store.leases import Due
from clipwarden.store.schema import deliveries, one_of
from clipwarden.store.schema import endpoint_states as table

_c, _d = table.c, deliveries.c
# Statements that a stretch of deliveries needs are built once, which takes longer than to execute them.
_STATE = sa.bindparam("state_id", type_=_c.id.type)
_LOCKED = sa.select(table).where(_c.id == _STATE).with_for_update(key_share=True)
_OF_ORIGIN = (
    sa.select(table)
    .where(
        _c.account_id == sa.bindparam("of_account", type_=_c.account_id.type), _c.origin == sa.bindparam("of_origin")
    )
    .with_for_update(key_share=True)
)
_CHANGED = sa.update(table).where(_c.id == _STATE)
_DUE = (
    sa.select(table)
    .where(_c.due_at.is_not(None), _c.due_at <= sa.bindparam("now", type_=_c.due_at.type))
    .order_by(_c.due_at, _c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
    .with_for_update(skip_locked=True, key_share=True)
)
_SENDING = sa.select(sa.func.count(sa.distinct(sa.func.coalesce(_d.led_by, _d.id)))).where(
    _d.endpoint_state_id == _STATE, one_of(_d.stage, [DeliveryStage.SENDING]), _d.due_at.is_not(None)
)
_WAITING = (
    sa.select(_d.id, _d.fence, _d.due_at)
    .where(_d.endpoint_state_id == _STATE, one_of(_d.stage, [DeliveryStage.WAITING]), _d.due_at.is_not(None))
    .order_by(_d.due_at, _d.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_WAITING_DUE = _WAITING.where(_d.due_at <= sa.bindparam("now", type_=_d.due_at.type))
_HANDED_OUT = sa.update(deliveries).where(_d.id.in_(sa.bindparam("held", type_=_d.id.type, expanding=True)))
_PORTS = {"http": 80, "https": 443}
#: The origin of URLs that have none: what is sent there is refused.
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one endpoint is granted at most."""

    concurrency: int  #: Attempts at once.
    rate: float  #: Attempts per second; 0 for any.
    tolerance: int  #: Failures in a row after which it is paused.
    pause: timedelta  #: The first pause; doubles with every one that follows it.
    longest_pause: timedelta
    patience: timedelta  #: Failing for longer disables it.


def origin(url: str) -> str:
    """Return scheme, host and port of a URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return UNREADABLE
    return f"{parts.scheme}://{(parts.hostname or '').removesuffix('.')}:{port}"


def expect(conn: Connection, account_id: str, url: str, *, due_at: datetime, now: datetime) -> EndpointState:
    """Return the state of a URL's endpoint, locked; it will be looked at by ``due_at`` unless it is disabled."""
    values = _fresh(account_id, origin(url), due_at=due_at, now=now)
    if (row := rows.insert_unless_present(conn, table, values)) is not None:
        return parse(row)
    place = {"of_account": account_id, "of_origin": values["origin"]}
    state = parse(conn.execute(_OF_ORIGIN, place).mappings().one())
    if state.disabled_at is None and (state.due_at is None or state.due_at > due_at):
        conn.execute(sa.update(table).where(_c.id == state.id).values(due_at=_held(state, due_at)))
    return state


def by_id(conn: Connection, id: str) -> EndpointState:
    """Return a state as it is now."""
    return parse(conn.execute(sa.select(table).where(_c.id == id)).mappings().one())


def locked(conn: Connection, id: str) -> EndpointState:
    """Return a state, locked."""
    return parse(conn.execute(_LOCKED, {"state_id": id}).mappings().one())


def hold(conn: Connection, account_id: str, urls: Collection[str], *, now: datetime) -> None:
    """Lock the states of an account's endpoints of these URLs, in the order in which all do; new ones are made.

    One that was passed over since it was not there yet would be locked after others, and out of order.
    """
    for place in sorted({origin(url) for url in urls}):
        if rows.insert_unless_present(conn, table, _fresh(account_id, place, due_at=None, now=now)) is None:
            conn.execute(_OF_ORIGIN, {"of_account": account_id, "of_origin": place})


def all_locked(conn: Connection, ids: Collection[str]) -> list[EndpointState]:
    """Return states, locked in the order in which all do."""
    places = conn.execute(sa.select(_c.account_id, _c.origin, _c.id).where(_c.id.in_(sorted(ids))))
    # Sorted here and not by the database, whose order of letters may be another one.
    return [locked(conn, id) for *_, id in sorted(tuple(place) for place in places)]


def wake(conn: Connection, ids: Collection[str], *, now: datetime) -> set[str]:
    """Let states be looked at now, or when their pauses end, and lock them; return those that are not disabled."""
    awake = set()
    for state in all_locked(conn, ids):
        if state.disabled_at is None:
            _look_again(conn, state, at=_held(state, now))
            awake.add(state.id)
    return awake


def due(conn: Connection, *, now: datetime, limit: int) -> list[EndpointState]:
    """Return states that are worth looking at, locked, the longest overdue first; others may be looking at the rest."""
    return [parse(row) for row in conn.execute(_DUE, {"now": now, "most": limit}).mappings()]


def hand_out(
    conn: Connection, state: EndpointState, limits: Limits, *, now: datetime, until: datetime, each: int = 1
) -> list[Due]:
    """Lease deliveries of a locked state that may be attempted now until then, the longest overdue first.

    Returned is the first of each stretch: of ``each`` deliveries at most, to be attempted one after the other.
    """
    if state.disabled_at is not None or (state.paused_until is not None and state.paused_until > now):
        _look_again(conn, state, at=_held(state, now) if state.disabled_at is None and _next(conn, state) else None)
        return []
    room = _room(conn, state, limits)
    # One that has been paused shows with a single attempt whether it is well.
    granted, next_at = _granted(state, limits, room if state.trips else room * each, now)
    found = _waiting(conn, state, now, granted)
    count = min(room, -(-len(found) // each))
    stretches = [found[number::count] for number in range(count)]
    for stretch in stretches:
        lease = {"stage": str(DeliveryStage.SENDING), "due_at": until, "led_by": stretch[0].id}
        conn.execute(_HANDED_OUT, {**lease, "held": [one.id for one in stretch]})
    changes: dict[str, Any] = {}
    if limits.rate:
        changes["next_at"] = max(state.next_at or now, now) + timedelta(seconds=len(found) / limits.rate)
    # Where there is no room, the stretch that ends first looks again.
    upcoming = _next(conn, state) if len(stretches) < room else None
    if upcoming is not None and next_at is not None and len(found) == granted:
        upcoming = max(upcoming, next_at)
    _look_again(conn, state, at=upcoming, **changes)
    return [stretch[0] for stretch in stretches]


def succeeded(conn: Connection, state: EndpointState, limits: Limits, *, now: datetime) -> EndpointState:
    """Note that an attempt went well: the endpoint gets room for one more at once."""
    width = min(limits.concurrency, state.width + 1)
    changes = {"width": width, "failures": 0, "trips": 0, "paused_until": None, "failing_since": None}
    return _changed(conn, state, _at(now, state, changes))


def failed(
    conn: Connection, state: EndpointState, limits: Limits, *, unable: bool, wait: timedelta, now: datetime
) -> EndpointState:
    """Note that an attempt went wrong; after too many in a row, the endpoint is paused.

    ``unable`` says that the endpoint could not take it, not that it did not want this one; ``wait`` is what it asks
    for. An endpoint that has failed for too long is not paused but disabled.
    """
    since = state.failing_since or now
    changes: dict[str, Any] = {"failing_since": since}
    changes["failures"] = state.failures + 1
    if now - since > limits.patience and state.failures + 1 >= limits.tolerance:
        changes |= {"disabled_at": now, "disabled_reason": "failing"}
    if unable:
        changes["width"] = max(1, state.width // 2)
        changes |= _pause(state, limits, now)
    if wait:
        changes["paused_until"] = max(now + wait, changes.get("paused_until") or now)
    return _changed(conn, state, _at(now, state, changes))


def enable(conn: Connection, account_id: str, url: str, *, now: datetime) -> bool:
    """Let an endpoint be called again, and say whether that is a change."""
    fresh = {"width": 1, "failures": 0, "trips": 0, "paused_until": None, "failing_since": None}
    changes = fresh | {"disabled_at": None, "disabled_reason": None, "due_at": now, "updated_at": now}
    disabled = sa.update(table).where(_c.account_id == account_id, _c.origin == origin(url))
    return conn.execute(disabled.where(_c.disabled_at.is_not(None)).values(**changes)).rowcount > 0


def counts(conn: Connection) -> dict[str, int]:
    """Count the endpoints that are disabled, paused, and well."""
    how = sa.case((_c.disabled_at.is_not(None), "disabled"), (_c.trips > 0, "paused"), else_="well")
    return {row[0]: row[1] for row in conn.execute(sa.select(how, sa.func.count()).group_by(how))}


def of_account(conn: Connection, account_id: str) -> list[EndpointState]:
    """Return how all endpoints of an account fare, by their origins."""
    query = sa.select(table).where(_c.account_id == account_id).order_by(_c.origin)
    return [parse(row) for row in conn.execute(query).mappings()]


def unwell(conn: Connection, account_ids: Collection[str] | None, *, limit: int) -> list[EndpointState]:
    """Return endpoints of these accounts, or of all, that are disabled or paused, those first that are disabled."""
    query = sa.select(table).where(sa.or_(_c.disabled_at.is_not(None), _c.trips > 0))
    if account_ids is not None:
        query = query.where(_c.account_id.in_(list(account_ids)))
    query = query.order_by(_c.disabled_at.is_(None), _c.origin, _c.id).limit(limit)
    return [parse(row) for row in conn.execute(query).mappings()]


def parse(row: RowMapping) -> EndpointState:
    """Return the state that a row of ``endpoint_states`` holds."""
    return EndpointState(**row)


def _fresh(account_id: str, place: str, *, due_at: datetime | None, now: datetime) -> dict[str, Any]:
    values = {"id": ids.new_id(), "account_id": account_id, "origin": place, "due_at": due_at}
    return values | {"width": 1, "failures": 0, "trips": 0, "created_at": now, "updated_at": now}


def _held(state: EndpointState, moment: datetime) -> datetime:
    return max(moment, state.paused_until) if state.paused_until is not None else moment


def _room(conn: Connection, state: EndpointState, limits: Limits) -> int:
    """Return how many more attempts may run: of each stretch, one does."""
    most = 1 if state.trips else min(state.width, limits.concurrency)
    return max(0, most - int(conn.execute(_SENDING, {"state_id": state.id}).scalar_one()))


def _granted(state: EndpointState, limits: Limits, room: int, now: datetime) -> tuple[int, datetime | None]:
    """Return how many attempts the rate allows for now, and when it allows for the next; a second's worth at once."""
    if not limits.rate:
        return room, None
    ahead = max(timedelta(0), (state.next_at or now) - now)
    burst = max(1.0, limits.rate)
    allowed = int(burst - ahead.total_seconds() * limits.rate + 1e-9)
    granted = max(0, min(room, allowed))
    return granted, now + ahead + timedelta(seconds=(granted + 1 - burst) / limits.rate)


def _waiting(conn: Connection, state: EndpointState, now: datetime, limit: int) -> list[Due]:
    if limit < 1:
        return []
    found = conn.execute(_WAITING_DUE, {"state_id": state.id, "now": now, "most": limit})
    return [Due(id=row.id, stage=str(DeliveryStage.SENDING), fence=row.fence) for row in found]


def _next(conn: Connection, state: EndpointState) -> datetime | None:
    row = conn.execute(_WAITING, {"state_id": state.id, "most": 1}).one_or_none()
    return row.due_at if row is not None else None


def _at(now: datetime, state: EndpointState, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes, and when they were made, if there are any."""
    return changes | {"updated_at": now} if any(getattr(state, name) != it for name, it in changes.items()) else {}


def _look_again(conn: Connection, state: EndpointState, *, at: datetime | None, **changes: Any) -> None:
    _changed(conn, state, {"due_at": at, **changes})


def _pause(state: EndpointState, limits: Limits, now: datetime) -> dict[str, Any]:
    """Return what changes when an endpoint is paused; one that is paused already is, by attempts begun before."""
    if state.failures + 1 < limits.tolerance or (state.paused_until is not None and state.paused_until > now):
        return {}
    pause = min(limits.longest_pause, limits.pause * 2 ** min(state.trips, 20))
    return {"trips": state.trips + 1, "paused_until": now + pause}


def _changed(conn: Connection, state: EndpointState, changes: dict[str, Any]) -> EndpointState:
    """Change a locked state where that is a change: an endpoint that is busy and well costs no statement."""
    after = replace(state, **changes)
    if after != state:
        conn.execute(_CHANGED, {**changes, "state_id": state.id})
    return after
