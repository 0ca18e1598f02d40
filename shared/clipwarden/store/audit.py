"""The audit trail: who did what, and when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import ids
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
