"""Deliveries that a worker has taken, with what it needs to sign them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from clipwarden import errors
from clipwarden.moderation import Account, Delivery, DeliveryStage
from clipwarden.settings import CallbackSettings
from clipwarden.store import accounts, deliveries, endpoints, leases, schema
from clipwarden.store.endpoint_states import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A delivery that is to be attempted now."""

    delivery: Delivery
    account: Account
    keys: Sequence[str] = field(repr=False)  #: The secrets of Standard Webhooks.


def take(
    conn: Connection, delivery_id: str, *, fence: int, now: datetime, until: datetime, before: Task | None = None
) -> Task | None:
    """Take a delivery that was handed out; ``None`` when it was taken already or has moved on.

    ``before`` is the one of the same endpoint that was just attempted: what signed that one signs this one.
    """
    stages = (DeliveryStage.SENDING,)
    row = leases.take(conn, schema.deliveries, delivery_id, fence=fence, until=until, stages=stages)
    if row is None:
        return None
    delivery = deliveries.parse(row)
    if before is not None and before.delivery.url == delivery.url:
        return replace(before, delivery=delivery)
    if (account := accounts.by_id(conn, delivery.account_id)) is None:
        raise errors.NotFound("the account is gone")
    keys = endpoints.secrets_for(conn, account, delivery.url, now=now)
    return Task(delivery=delivery, account=account, keys=keys)


def limits(settings: CallbackSettings) -> Limits:
    """Return what each endpoint is granted."""
    return Limits(
        concurrency=settings.endpoint_concurrency,
        rate=settings.endpoint_rate,
        tolerance=settings.endpoint_tolerance,
        pause=timedelta(seconds=settings.endpoint_pause),
        longest_pause=timedelta(seconds=settings.endpoint_longest_pause),
        patience=timedelta(seconds=settings.endpoint_patience),
    )
