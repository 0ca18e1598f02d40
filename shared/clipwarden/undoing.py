"""Decisions that can be had back for a while: their callbacks wait, and go unsent when the decision is undone.

Nothing is edited in place: a decision and its undoing both stand in the audit trail.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from clipwarden import decisions, errors
from clipwarden.moderation import DeliveryStage, Moderation, Placement, Stage, Status
from clipwarden.store import assets, audit, judged, moderations, reviews
from clipwarden.store.schema import deliveries
from clipwarden.store.schema import moderations as table

_TOO_LATE = "it is too late to undo this: the callback has gone out, or somebody decided again; decide anew instead"
#: What a decision by a human changes of a moderation.
_KEPT = ("status", "stage", "decided_by", "decided_at", "error_code", "error_reason", "due_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoable:
    """The last decision about a moderation, while it can be had back."""

    until: datetime
    by: str
    status: Status  #: What it would be again.


def override(
    conn: Connection, moderation: Moderation, *, grace: timedelta, by: str, now: datetime, **decided: Any
) -> Moderation:
    """Record a human's verdict as ``decisions.override`` does; nobody is told before the grace period ends."""
    before, version = _snapshot(conn, moderation)
    told_at = now + grace
    after = decisions.override(conn, moderation.id, by=by, now=now, told_at=told_at, **decided)
    sequence = judged.decisions_about(conn, moderation.asset_id)
    # In a chain, others have begun or ended by this: they cannot be made not to have.
    kept = {
        "by": by,
        "until": told_at.isoformat(),
        "decisions": after.decisions,
        "fence": after.fence,
        "sequence": sequence,
        "version": version,
        "before": before,
    }
    reviews.settle(conn, after, kept if moderation.chain is None and grace else None, now=now)
    return after


def undoable(conn: Connection, moderation: Moderation, *, now: datetime) -> Undoable | None:
    """Return what can be had back now."""
    review = reviews.of(conn, moderation.id)
    kept = review.undo if review is not None else None
    if kept is None or datetime.fromisoformat(kept["until"]) <= now or not _is_last(conn, moderation, kept):
        return None
    until = datetime.fromisoformat(kept["until"])
    return Undoable(until=until, by=kept["by"], status=Status(kept["before"]["status"]))


def undo(conn: Connection, moderation: Moderation, *, by: str, now: datetime) -> Moderation:
    """Let stand again what stood before the last decision; raises Conflict where that cannot be any more."""
    review = reviews.of(conn, moderation.id)
    kept = review.undo if review is not None else None
    if kept is None or undoable(conn, moderation, now=now) is None:
        raise errors.Conflict(_TOO_LATE)
    _withdraw(conn, moderation, kept["sequence"], now)
    before = kept["before"]
    wanted = Placement(before.pop("wanted"))
    values = {name: _restored(name, before[name]) for name in _KEPT}
    if moderation.stage in moderations.UNDER_WAY:
        del values["due_at"]  # Who works on it has prolonged that.
    values["stage_since"] = moderation.stage_since if values["stage"] is moderation.stage else now
    counted = {"decisions": moderation.decisions + 1, "fence": moderation.fence + 1, "updated_at": now}
    same = (table.c.id == moderation.id, table.c.fence == moderation.fence, table.c.decisions == moderation.decisions)
    if conn.execute(sa.update(table).where(*same).values(**values, **counted)).rowcount != 1:
        raise errors.Conflict(_TOO_LATE)
    assets.want(conn, moderation.asset_id, wanted, now)
    reviews.settle(conn, moderation, None, now=now)
    detail = {"decision": counted["decisions"], "undone": moderation.decisions, "status": before["status"]}
    named = {"moderation_id": moderation.id, "asset_id": moderation.asset_id}
    audit.record(
        conn,
        account_id=moderation.account_id,
        actor=f"{moderations.BY_HUMAN}{by}",
        action="undone",
        now=now,
        detail=detail,
        **named,
    )
    present = moderations.by_id(conn, moderation.id)
    assert present is not None  # noqa: S101 - it was just changed; tells the type checker
    return present


def _snapshot(conn: Connection, moderation: Moderation) -> tuple[dict[str, Any], int]:
    """Return what is so now, and the version of the bytes that the video has."""
    asset = assets.by_id(conn, moderation.asset_id)
    if asset is None:
        raise errors.NotFound(f"moderation {moderation.id} has lost its asset")
    kept = {name: getattr(moderation, name) for name in _KEPT} | {"wanted": asset.wanted}
    written = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in kept.items()}
    return written, asset.version


def _restored(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name.endswith("_at"):
        return datetime.fromisoformat(value)
    return {"status": Status, "stage": Stage}.get(name, str)(value)


def _is_last(conn: Connection, moderation: Moderation, kept: dict[str, Any]) -> bool:
    """Say whether nothing has happened since: a job that ended meanwhile has brought evidence of its own.

    Nor has the video got other bytes, or another decision: where it was wanted before says nothing of these.
    """
    asset = assets.by_id(conn, moderation.asset_id)
    same_video = asset is not None and asset.version == kept.get("version", asset.version)
    alone = judged.decisions_about(conn, moderation.asset_id) == kept["sequence"]
    return same_video and alone and (moderation.decisions, moderation.fence) == (kept["decisions"], kept["fence"])


def _withdraw(conn: Connection, moderation: Moderation, sequence: int, now: datetime) -> None:
    """Take back what nobody was told yet; raises Conflict where somebody may have been."""
    c = deliveries.c
    mine = (c.moderation_id == moderation.id, c.sequence == sequence)
    waits = sa.and_(c.stage == str(DeliveryStage.WAITING), c.due_at > now)
    unsent = sa.and_(c.attempt == 0, sa.or_(waits, c.stage == str(DeliveryStage.FAILED)))
    every = conn.execute(sa.select(c.id).where(*mine).with_for_update(key_share=True)).scalars().all()
    if conn.execute(sa.delete(deliveries).where(*mine, unsent)).rowcount != len(every):
        raise errors.Conflict(_TOO_LATE)
