"""Deliveries: one callback to one URL each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden.moderation import Delivery, DeliveryStage
from clipwarden.store import endpoint_states, rows
from clipwarden.store.schema import deliveries, delivery_attempts, one_of

_c = deliveries.c

#: ``last_error`` of what was not attempted, or not again, because nothing of its endpoint is.
DISABLED = "the endpoint is disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCount:
    """How many deliveries are in a stage, and since when the oldest waits."""

    stage: DeliveryStage
    count: int
    oldest: datetime | None  #: ``None`` for stages in which none waits.


#: The stages that are counted: what has arrived only grows in number.
COUNTED = [stage for stage in DeliveryStage if stage is not DeliveryStage.DELIVERED]


def add(
    conn: Connection,
    *,
    id: str,
    account_id: str,
    event: str,
    sequence: int,
    url: str,
    body: str,
    due_at: datetime,
    now: datetime,
    moderation_id: str | None = None,
    asset_id: str | None = None,
) -> bool:
    """Create a delivery that waits; ``False``, and nothing changed, when this URL is told of this decision already.

    Where the endpoint is disabled it has failed from the beginning: it is on record, and can be replayed.
    """
    state = endpoint_states.expect(conn, account_id, url, due_at=due_at, now=now)
    disabled = state.disabled_at is not None
    values = {
        "endpoint_state_id": state.id,
        "asset_id": asset_id,
        "id": id,
        "account_id": account_id,
        "moderation_id": moderation_id,
        "event": event,
        "sequence": sequence,
        "url": url,
        "body": body,
        "stage": DeliveryStage.FAILED if disabled else DeliveryStage.WAITING,
        "due_at": None if disabled else due_at,
        "last_error": DISABLED if disabled else None,
        "fence": 0,
        "attempt": 0,
        "created_at": now,
        "updated_at": now,
    }
    return rows.insert_unless_present(conn, deliveries, values) is not None


def by_id(conn: Connection, id: str) -> Delivery | None:
    """Return the delivery with this id."""
    row = rows.by_id(conn, deliveries, id)
    return parse(row) if row is not None else None


def of_moderation(conn: Connection, moderation_id: str) -> list[Delivery]:
    """Return the moderation's deliveries in the order of the decisions that they tell of."""
    query = sa.select(deliveries).where(_c.moderation_id == moderation_id).order_by(_c.sequence, _c.created_at, _c.id)
    return [parse(row) for row in conn.execute(query).mappings()]


def give_up(conn: Connection, state_id: str, *, url: str | None, reason: str, now: datetime) -> int:
    """Fail all deliveries that wait for an endpoint, or only for one URL of it, and return how many they were."""
    waiting = sa.update(deliveries).where(
        _c.endpoint_state_id == state_id, _c.stage == str(DeliveryStage.WAITING), _c.due_at.is_not(None)
    )
    if url is not None:
        waiting = waiting.where(_c.url == url)
    values = {"stage": str(DeliveryStage.FAILED), "due_at": None, "last_error": reason, "updated_at": now}
    return conn.execute(waiting.values(**values, fence=_c.fence + 1)).rowcount


def counts(conn: Connection) -> list[DeliveryCount]:
    """Count the deliveries of each stage that has any, but for those that have arrived."""
    query = sa.select(_c.stage, sa.func.count().label("count"), sa.func.min(_c.created_at).label("oldest"))
    return [
        DeliveryCount(
            stage=DeliveryStage(stage), count=count, oldest=oldest if stage == DeliveryStage.WAITING else None
        )
        for stage, count, oldest in conn.execute(query.where(one_of(_c.stage, COUNTED)).group_by(_c.stage))
    ]


def parse(row: RowMapping) -> Delivery:
    """Return the delivery that a row of ``deliveries`` holds."""
    values: dict[str, Any] = dict(row)
    values["stage"] = DeliveryStage(values["stage"])
    return Delivery(**values)


def sweep(conn: Connection, *, before: datetime, limit: int) -> int:
    """Forget callbacks from before a moment that wait for nothing, the oldest first, and return how many."""
    ended = sa.select(_c.id).where(_c.created_at < before, _c.due_at.is_(None)).order_by(_c.created_at, _c.id)
    ids = list(conn.execute(ended.limit(limit).with_for_update(skip_locked=True)).scalars())
    conn.execute(sa.delete(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(ids)))
    return conn.execute(sa.delete(deliveries).where(_c.id.in_(ids))).rowcount
