"""The audit trail: who did what, and when."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import ids
from clipwarden.store import cursor
from clipwarden.store.schema import audit_events


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Something that was done."""

    id: str
    account_id: str
    moderation_id: str | None
    asset_id: str | None
    actor: str  #: ``policy``, ``human:NAME`` or the part of clipwarden that did it.
    action: str
    detail: dict[str, Any] | None
    created_at: datetime


def record(
    conn: Connection,
    *,
    account_id: str,
    actor: str,
    action: str,
    now: datetime,
    moderation_id: str | None = None,
    asset_id: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Keep for good that this was done."""
    conn.execute(
        sa.insert(audit_events).values(
            id=ids.new_id(),
            account_id=account_id,
            moderation_id=moderation_id,
            asset_id=asset_id,
            actor=actor,
            action=action,
            detail=detail,
            created_at=now,
        )
    )


def of_moderation(conn: Connection, moderation_id: str) -> list[AuditEvent]:
    """Return what was done to a moderation, oldest first."""
    query = sa.select(audit_events).where(audit_events.c.moderation_id == moderation_id)
    query = query.order_by(audit_events.c.created_at, audit_events.c.id)
    return [AuditEvent(**row) for row in conn.execute(query).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which events are meant; what is ``None`` excludes none."""

    account_ids: Collection[str] | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None  #: Done then or later.
    before: datetime | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return what the search asks of a row."""
        c = audit_events.c
        asked: list[sa.ColumnElement[bool]] = []
        asked += [c.account_id.in_(list(self.account_ids))] if self.account_ids is not None else []
        asked += [c.actor == self.actor] if self.actor is not None else []
        asked += [c.action == self.action] if self.action is not None else []
        asked += [c.created_at >= self.since] if self.since is not None else []
        asked += [c.created_at < self.before] if self.before is not None else []
        return asked


def found(
    conn: Connection, search: Search, *, limit: int, after: str | None = None
) -> tuple[list[AuditEvent], str | None]:
    """Return a page of the events that a search finds, the newest first, and the cursor of the next page.

    Raises Conflict when ``after`` is not a cursor.
    """
    c = audit_events.c
    query = sa.select(audit_events).where(*search.conditions())
    query = cursor.paged(query, (c.created_at, c.id), limit=limit, after=after, newest_first=True)
    events = [AuditEvent(**row) for row in conn.execute(query).mappings()]
    end = events[limit - 1] if events[limit:] else None
    return events[:limit], cursor.encode(end.created_at, end.id) if end is not None else None


def count(conn: Connection, search: Search) -> int:
    """Count the events that a search finds."""
    query = sa.select(sa.func.count()).select_from(audit_events).where(*search.conditions())
    return int(conn.execute(query).scalar_one())


def page(
    conn: Connection, moderation_id: str, *, limit: int, after: str | None = None
) -> tuple[list[AuditEvent], str | None]:
    """Return a page of what was done to a moderation, oldest first, and the cursor of the next page, if there is one.

    Raises Conflict when ``after`` is not a cursor.
    """
    c = audit_events.c
    query = sa.select(audit_events).where(c.moderation_id == moderation_id)
    query = cursor.paged(query, (c.created_at, c.id), limit=limit, after=after, newest_first=False)
    found = [AuditEvent(**row) for row in conn.execute(query).mappings()]
    end = found[limit - 1] if found[limit:] else None
    return found[:limit], cursor.encode(end.created_at, end.id) if end is not None else None
