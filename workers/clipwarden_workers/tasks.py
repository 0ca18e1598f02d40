"""Deliveries that a worker has taken, with what it needs to sign them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from clipwarden import errors
from clipwarden.moderation import Account, Delivery
from clipwarden.settings import CallbackSettings
from clipwarden.store import accounts, endpoints, stretches
from clipwarden.store.endpoint_states import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A delivery that is to be attempted now."""

    delivery: Delivery
    account: Account
    keys: Sequence[str] = field(repr=False)  #: The secrets of Standard Webhooks.


def take(
    conn: Connection, first_id: str, *, fence: int, now: datetime, until: datetime, before: Sequence[Task] = ()
) -> list[Task]:
    """Take a stretch that was handed out; nothing when it was taken already or has moved on.

    ``before`` are those of the same endpoint that were just attempted: what signed them signs these.
    """
    known = {task.delivery.url: task for task in before}
    taken = []
    for delivery in stretches.take(conn, first_id, fence=fence, until=until):
        if delivery.url not in known:
            known[delivery.url] = _task(conn, delivery, now)
        taken.append(replace(known[delivery.url], delivery=delivery))
    return taken


def _task(conn: Connection, delivery: Delivery, now: datetime) -> Task:
    if (account := accounts.by_id(conn, delivery.account_id)) is None:
        raise errors.NotFound("the account is gone")
    return Task(delivery=delivery, account=account, keys=endpoints.secrets_for(conn, account, delivery.url, now=now))


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
