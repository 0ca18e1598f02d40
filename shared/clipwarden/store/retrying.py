"""Cancelling moderations that are not judged yet, and beginning aborted ones anew."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import errors
from clipwarden.moderation import Kind, Moderation, Stage, Status
from clipwarden.store import moderations, rows
from clipwarden.store.schema import assets
from clipwarden.store.schema import moderations as table

_c = table.c

#: ``error_code`` of moderations that somebody has cancelled, and of those whose chain has ended before them.
CANCELLED, REJECTED_BEFORE = "cancelled", "rejected_before"

#: What belongs to the job and the decision before.
_FORGOTTEN = ("verdict", "decided_by", "decided_at", "error_code", "error_reason")
_JOB = ("request_token", "job_id", "hinted_at", "started_at", "ended_at")
_LABELS = ("labels_key", "labels_of", "label_count", "model_version", "fingerprint")


def held(conn: Connection, id: str, *, account_id: str) -> Moderation | None:
    """Return the account's moderation, and hold it and its asset from others' changes to the transaction's end."""
    found = moderations.by_id(conn, id, account_id=account_id)
    if found is None:
        return None
    rows.hold(conn, assets, [found.asset_id])
    row = conn.execute(sa.select(table).where(_c.id == id).with_for_update(key_share=True)).mappings().one_or_none()
    return moderations.parse(row) if row is not None else None


def cancel(conn: Connection, moderation: Moderation, *, by: str, reason: str | None, now: datetime) -> bool:
    """End a moderation without a verdict; ``False``, and nothing changed, when it has moved on since it was read.

    A job that is under way goes on, its slot stays counted and its verdict becomes evidence. Raises Conflict for one
    that is decided.
    """
    if moderation.status not in (Status.PENDING, Status.QUEUED):
        raise errors.Conflict(f"moderation {moderation.id} is {moderation.status}: there is nothing to cancel")
    changes: dict[str, Any] = {
        "status": Status.ABORTED,
        "decided_by": f"{moderations.BY_HUMAN}{by}",
        "decided_at": now,
        "decisions": moderation.decisions + 1,
        "error_code": CANCELLED,
        "error_reason": reason or "somebody has cancelled it",
    }
    if moderation.stage not in moderations.UNDER_WAY:
        changes |= {"stage": Stage.DECIDED, "stage_since": now, "due_at": None, "fence": moderation.fence + 1}
    return _change(conn, moderation, now, changes)


def retry(conn: Connection, moderation: Moderation, *, now: datetime) -> bool:
    """Begin an aborted moderation anew; ``False``, and nothing changed, when it has moved on since it was read.

    Labels that were kept and judged are judged again; else the video is looked at, and analysed, once more. Raises
    Conflict for one that is not aborted, whose job still runs, or that another one stands in for.
    """
    _require_retryable(moderation)
    stage = _stage(moderation)
    gone = (*_FORGOTTEN, *((*_JOB, *_LABELS) if stage is Stage.INTAKE else ()))
    changes: dict[str, Any] = dict.fromkeys(gone) | {
        "stage": stage,
        "stage_since": now,
        "status": Status.PENDING,
        "due_at": None if stage is Stage.REVIEW else now,
        "fence": moderation.fence + 1,
        "faults": 0,
        "looks": 0,
        "retries": moderation.retries + 1,
    }
    return _change(conn, moderation, now, changes)


def _require_retryable(moderation: Moderation) -> None:
    why = None
    if moderation.status is not Status.ABORTED:
        why = f"is {moderation.status}: only aborted ones are begun anew"
    elif moderation.stage is not Stage.DECIDED:
        why = "was cancelled, but its job runs on: it can be begun anew when that has ended"
    elif moderation.superseded:
        why = "is not its asset's newest of this kind"
    elif moderation.error_code == REJECTED_BEFORE:
        why = "ended because another moderation of its chain has rejected the asset"
    if why is not None:
        raise errors.Conflict(f"moderation {moderation.id} {why}")


def _stage(moderation: Moderation) -> Stage:
    """Return where it begins anew: what was found out before is not found out, or paid for, twice."""
    if moderation.kind is Kind.MANUAL and moderation.asset_version is not None:
        return Stage.REVIEW
    judged = moderation.verdict is not None or moderation.rejudges is not None
    return Stage.JUDGING if judged and moderation.labels_key is not None else Stage.INTAKE


def _change(conn: Connection, moderation: Moderation, now: datetime, changes: dict[str, Any]) -> bool:
    same = (_c.id == moderation.id, _c.stage == moderation.stage, _c.fence == moderation.fence)
    changed = sa.update(table).where(*same, _c.status == moderation.status).values(**changes, updated_at=now)
    return conn.execute(changed).rowcount == 1
