"""Erasures: what is to be forgotten of assets, by whom that was asked for, and what was forgotten."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import ids
from clipwarden.moderation import Asset, Scope, Stage, Status
from clipwarden.store import audit, moderations, rows
from clipwarden.store.schema import assets, audit_events
from clipwarden.store.schema import erasures as table
from clipwarden.store.schema import moderations as judged

_c, _m = table.c, judged.c

#: What the audit trail says of an asset's end: that it was asked for, and that nothing is left.
REQUESTED, ERASED = "erasure_requested", "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Something that is to be forgotten of an asset."""

    id: str
    account_id: str
    asset_id: str
    scope: Scope
    requested_by: str
    due_at: datetime | None
    fence: int
    faults: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How far an erasure of a whole asset is."""

    requested_by: str
    requested_at: datetime | None
    erased_at: datetime | None  #: ``None`` while workers are at it.


def ask(conn: Connection, asset: Asset, scope: Scope, *, by: str, now: datetime) -> bool:
    """Ask for an erasure, and say whether nobody had before.

    A whole asset leaves the library at once, gives its name away, and cannot be restored any more.
    """
    values = {
        "id": ids.new_id(),
        "account_id": asset.account_id,
        "asset_id": asset.id,
        "scope": scope,
        "requested_by": by,
        "due_at": now,
        "fence": 0,
        "faults": 0,
        "created_at": now,
        "updated_at": now,
    }
    rows.hold(conn, assets, [asset.id])
    if rows.insert_unless_present(conn, table, values) is None:
        return False
    if scope is Scope.ASSET:
        hidden = {"deleted_at": sa.func.coalesce(assets.c.deleted_at, now), "public_id": f"erased?{asset.id}"}
        conn.execute(sa.update(assets).where(assets.c.id == asset.id).values(**hidden, updated_at=now))
        audit.record(conn, account_id=asset.account_id, actor=by, action=REQUESTED, now=now, asset_id=asset.id)
    return True


def is_asked(conn: Connection, asset_id: str) -> bool:
    """Say whether an asset is being erased."""
    asked = sa.select(_c.id).where(_c.asset_id == asset_id, _c.scope == Scope.ASSET)
    return conn.execute(asked).first() is not None


def told(conn: Connection, asset_id: str, *, account_id: str | None = None) -> Told | None:
    """Return how far the erasure of an asset is, if it was asked for; the audit trail remembers it for good."""
    e = audit_events.c
    beside = sa.select(e.account_id, e.actor, e.action, e.created_at).where(
        e.asset_id == asset_id, e.moderation_id.is_(None), e.action.in_([REQUESTED, ERASED])
    )
    found = {row.action: row for row in conn.execute(beside)}
    if not found or account_id not in (None, *(row.account_id for row in found.values())):
        return None
    asked, done = found.get(REQUESTED), found.get(ERASED)
    return Told(
        requested_by=next(iter(found.values())).actor,
        requested_at=asked.created_at if asked is not None else None,
        erased_at=done.created_at if done is not None else None,
    )


def quiet(conn: Connection, asset_id: str, *, now: datetime) -> bool:
    """See to it that nobody works on an asset any more, and say whether nobody did.

    A job that runs goes on, and is waited for: its slot is taken until it ends. What else was under way is fenced out,
    and may be at it for a little longer.
    """
    rows.hold(conn, assets, [asset_id])
    open_ = sa.and_(_m.asset_id == asset_id, _m.stage != Stage.DECIDED)
    ended = {
        "stage": Stage.DECIDED,
        "stage_since": now,
        "status": Status.ABORTED,
        "due_at": None,
        "fence": _m.fence + 1,
        "error_code": "erased",
        "error_reason": "the video is being erased",
        "decided_at": now,
        "updated_at": now,
    }
    others = sa.update(judged).where(open_, _m.stage.not_in([str(stage) for stage in moderations.UNDER_WAY]))
    ended_now = conn.execute(others.values(**ended)).rowcount
    moving = sa.update(assets).where(assets.c.id == asset_id, assets.c.due_at.is_not(None))
    fenced = conn.execute(moving.values(due_at=None, fence=assets.c.fence + 1, updated_at=now)).rowcount
    return not (ended_now or fenced or is_analysed(conn, asset_id))


def is_analysed(conn: Connection, asset_id: str) -> bool:
    """Say whether a job about an asset runs, or its labels are being judged."""
    going = sa.select(_m.id).where(_m.asset_id == asset_id, _m.stage != Stage.DECIDED)
    return conn.execute(going.limit(1)).first() is not None


def end(conn: Connection, erasure: Erasure) -> bool:
    """Remove what was asked for, as it is done; ``False``, and nothing changed, when somebody else has taken it."""
    held = sa.delete(table).where(_c.id == erasure.id, _c.fence == erasure.fence)
    return conn.execute(held).rowcount == 1


def remember(conn: Connection, erasure: Erasure, *, now: datetime) -> None:
    """Let the audit trail say that nothing is left of an asset, and who wanted that."""
    audit.record(
        conn,
        account_id=erasure.account_id,
        actor=erasure.requested_by,
        action=ERASED,
        now=now,
        asset_id=erasure.asset_id,
    )


def parse(row: RowMapping) -> Erasure:
    """Return the erasure that a row holds."""
    return Erasure(**{**row, "scope": Scope(row["scope"])})
