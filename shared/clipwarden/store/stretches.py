"""Stretches: deliveries of one endpoint that one thread attempts one after the other, and reports of together.

They are handed out by their endpoint's state (``endpoint_states.hand_out``), and known by the first of them. What is
not attempted, or not reported of in time, waits again in the place where it was before.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.moderation import Delivery, DeliveryStage
from clipwarden.store import deliveries, endpoint_states, leases
from clipwarden.store.schema import deliveries as table
from clipwarden.store.schema import one_of

_c = table.c
_SENDING = one_of(_c.stage, [DeliveryStage.SENDING])
# Statements are built once, which takes longer than to execute them.
_OTHERS = (
    sa.update(table)
    .where(
        _c.endpoint_state_id == sa.bindparam("state_id", type_=_c.endpoint_state_id.type),
        _SENDING,
        _c.due_at.is_not(None),
        _c.led_by == sa.bindparam("first_id", type_=_c.led_by.type),
        _c.id != sa.bindparam("first_id", type_=_c.id.type),
    )
    .values(fence=_c.fence + 1)
    .returning(table)
)
_HELD = (
    sa.select(_c.id)
    .where(sa.tuple_(_c.id, _c.fence).in_(sa.bindparam("claims", expanding=True)))
    .order_by(_c.id)
    .with_for_update(key_share=True)
)
_ENDED = sa.update(table).where(_c.id == sa.bindparam("held", type_=_c.id.type)).values(fence=_c.fence + 1)


def take(conn: Connection, first_id: str, *, fence: int, until: datetime) -> list[Delivery]:
    """Take a stretch until then, in its order; nothing when it was taken or has moved on."""
    row = leases.take(conn, table, first_id, fence=fence, until=until)
    if row is None:
        return []
    first = deliveries.parse(row)
    # Who has taken the first has taken all: the others are nobody else's as long as they name it.
    others = {"state_id": first.endpoint_state_id, "first_id": first_id, "due_at": until}
    rows = conn.execute(_OTHERS, others).mappings()
    return [first, *sorted((deliveries.parse(row) for row in rows), key=lambda one: (one.updated_at, one.id))]


def held(conn: Connection, taken: Collection[Delivery]) -> set[str]:
    """Return the ids of those that nobody has taken over since, locked."""
    return set(conn.execute(_HELD, {"claims": [(one.id, one.fence) for one in taken]}).scalars())


def end(conn: Connection, changes: Mapping[str, Mapping[str, Any]], *, now: datetime) -> None:
    """End the leases of deliveries that are held, each with its changes; all of them name the same columns."""
    conn.execute(_ENDED, [{"held": id, "updated_at": now, **of} for id, of in changes.items()])


def give_back(conn: Connection, ids: Collection[str]) -> None:
    """Let deliveries that are held, and were not attempted, wait as before."""
    if ids:
        conn.execute(sa.update(table).where(_c.id.in_(ids)).values(**_waiting()))


def recall(conn: Connection, *, now: datetime, limit: int) -> int:
    """Let deliveries wait again of which nobody has reported in time, and return how many."""
    lost = _SENDING & _c.due_at.is_not(None) & (_c.due_at <= now)
    query = sa.select(_c.id, _c.endpoint_state_id).where(lost).order_by(_c.due_at, _c.id).limit(limit)
    found: Sequence[Any] = conn.execute(query).all()
    if not found:
        return 0
    states = {row.endpoint_state_id for row in found}
    disabled = sorted(states - endpoint_states.wake(conn, states, now=now))
    # Who takes one of them at this moment has locked it, and waits for no other.
    still = (
        sa.select(_c.id)
        .where(_c.id.in_([row.id for row in found]), lost)
        .with_for_update(skip_locked=True, key_share=True)
    )
    recalled = conn.execute(sa.update(table).where(_c.id.in_(still)).values(**_waiting())).rowcount
    for id in disabled:
        deliveries.give_up(conn, id, url=None, reason=deliveries.DISABLED, now=now)
    return recalled


def _waiting() -> dict[str, Any]:
    # When it was created, replayed or last failed: before all that has come to wait since.
    return {"stage": str(DeliveryStage.WAITING), "due_at": _c.updated_at, "fence": _c.fence + 1}
