"""Replays: deliveries that are to be attempted once more, one by one or all that a search finds."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import errors
from clipwarden.moderation import Delivery, DeliveryStage
from clipwarden.store import cursor, deliveries, endpoint_states
from clipwarden.store.schema import deliveries as table
from clipwarden.store.schema import endpoint_states as states

_c = table.c
#: Deliveries that have ended, or that wait for their next attempt.
_REPLAYABLE = (DeliveryStage.DELIVERED, DeliveryStage.FAILED, DeliveryStage.WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which deliveries are meant; what is ``None`` excludes none."""

    account_id: str | None = None
    account_ids: Collection[str] | None = None  #: Of any of these.
    stage: DeliveryStage | None = None
    event: str | None = None
    url: str | None = None  #: The whole URL, or its beginning with a ``*`` at the end.
    moderation_id: str | None = None
    asset_id: str | None = None  #: Of what is told of a whole chain or an upload, too.
    since: datetime | None = None  #: Created then or later.
    until: datetime | None = None  #: Created before.

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return what the search asks of a row."""
        equal = {name: getattr(self, name) for name in ("account_id", "event", "moderation_id", "asset_id")}
        asked = [_c[name] == value for name, value in equal.items() if value is not None]
        if self.account_ids is not None:
            asked.append(_c.account_id.in_(list(self.account_ids)))
        if self.stage is not None:
            asked.append(_c.stage == str(self.stage))
        if self.url is not None:
            prefix = self.url.removesuffix("*")
            asked.append(_c.url == self.url if prefix == self.url else _c.url.startswith(prefix, autoescape=True))
        asked += [_c.created_at >= self.since] if self.since is not None else []
        asked += [_c.created_at < self.until] if self.until is not None else []
        return asked


def page(
    conn: Connection, search: Search, *, limit: int, after: str | None = None
) -> tuple[list[Delivery], str | None]:
    """Return a page of what a search finds, the newest first, and the cursor of the next page, if there is one.

    Raises Conflict when ``after`` is not a cursor.
    """
    query = sa.select(table).where(*search.conditions())
    query = cursor.paged(query, (_c.created_at, _c.id), limit=limit, after=after, newest_first=True)
    found = [deliveries.parse(row) for row in conn.execute(query).mappings()]
    end = found[limit - 1] if found[limit:] else None
    return found[:limit], cursor.encode(end.created_at, end.id) if end is not None else None


def count(conn: Connection, search: Search, *, limit: int) -> int:
    """Count what a search finds, no further than a limit."""
    found = sa.select(_c.id).where(*search.conditions()).limit(limit).subquery()
    total: int = conn.execute(sa.select(sa.func.count()).select_from(found)).scalar_one()
    return total


def replay(conn: Connection, id: str, *, now: datetime) -> Delivery:
    """Let a delivery be attempted at once, and by the whole schedule; id and body stay.

    Raises NotFound, and Conflict where it is being attempted or its endpoint is disabled.
    """
    if (delivery := deliveries.by_id(conn, id)) is None:
        raise errors.NotFound(f"there is no delivery {id}")
    if endpoint_states.locked(conn, delivery.endpoint_state_id).disabled_at is not None:
        raise errors.Conflict("the endpoint is disabled: enable it first")
    if not _again(conn, [delivery], now=now):
        raise errors.Conflict("the delivery is being attempted")
    replayed = deliveries.by_id(conn, id)
    assert replayed is not None  # noqa: S101 - rows of deliveries do not go; tells the type checker
    return replayed


def replay_all(conn: Connection, search: Search, *, limit: int, as_of: datetime, now: datetime) -> tuple[int, bool]:
    """Let deliveries that a search finds be attempted at once, the oldest first.

    Return how many they are, and whether there may be more. Those that are being attempted or wait already for their
    next attempt now are left, those of endpoints that are disabled, and those to which something has happened since
    ``as_of``: with the same one again, a call goes on where the one before has ended.
    """
    ready = sa.or_(_c.stage != str(DeliveryStage.WAITING), _c.due_at > now, _c.attempt > 0)
    enabled = _c.endpoint_state_id.in_(sa.select(states.c.id).where(states.c.disabled_at.is_(None)))
    query = sa.select(table).where(
        *search.conditions(), ready, enabled, _c.updated_at < as_of, _c.stage.in_([str(s) for s in _REPLAYABLE])
    )
    rows = conn.execute(query.order_by(_c.created_at, _c.id).limit(limit)).mappings()
    chosen = [deliveries.parse(row) for row in rows]
    # Some may have moved on since they were found: that fewer are replayed does not mean that there are no more.
    return _again(conn, chosen, now=now), len(chosen) == limit


def _again(conn: Connection, chosen: list[Delivery], *, now: datetime) -> int:
    """Make deliveries due, each unless it has moved on since."""
    awake = endpoint_states.wake(conn, {one.endpoint_state_id for one in chosen}, now=now)
    values = {"stage": str(DeliveryStage.WAITING), "due_at": now, "attempt": 0, "updated_at": now}
    fresh = {"delivered_at": None, "last_error": None, "last_status": None, "fence": _c.fence + 1}
    keys = [(one.id, one.fence) for one in chosen if one.endpoint_state_id in awake]
    held = sa.update(table).where(sa.tuple_(_c.id, _c.fence).in_(keys), _c.stage.in_([str(s) for s in _REPLAYABLE]))
    return conn.execute(held.values(**values, **fresh)).rowcount if keys else 0
