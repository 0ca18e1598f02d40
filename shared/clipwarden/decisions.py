"""A decision with everything that follows from it, in the caller's one transaction: all of it happens or none.

What follows: the moderation's row, where the asset's bytes are wanted, a delivery for every URL that is to be told,
and a line in the audit trail.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, event

from clipwarden import callback, errors, metrics, telling
from clipwarden.moderation import BY_POLICY, Moderation, Placement, Status
from clipwarden.store import accounts, assets, audit, judged, moderations, retrying, rows
from clipwarden.store.schema import assets as asset_rows

#: Where a decided asset's bytes are wanted; an abort moves nothing.
_PLACEMENT = {Status.APPROVED: Placement.LIBRARY, Status.REJECTED: Placement.QUARANTINE}

Labels = Sequence[Mapping[str, Any]]


def conclude(
    conn: Connection,
    moderation: Moderation,
    *,
    status: Status,
    verdict: dict[str, Any] | None,
    labels: Labels,
    public_url: str,
    now: datetime,
) -> Moderation | None:
    """Record the rules' verdict; a human's stands, and the verdict is kept beside it as evidence.

    Returns the moderation as it is now, or ``None`` when somebody else has moved it on.
    """
    _hold(conn, moderation)
    if not moderations.decide(
        conn,
        moderation,
        status=status,
        verdict=verdict,
        decided_by=BY_POLICY,
        error_code=None,
        error_reason=None,
        now=now,
    ):
        return None
    return _after(conn, moderation, labels, public_url, now)


def abort(
    conn: Connection, moderation: Moderation, reason: errors.ClipwardenError, *, public_url: str, now: datetime
) -> Moderation | None:
    """Record that a moderation cannot be judged, and why; never an approval.

    Returns the moderation as it is now, or ``None`` when somebody else has moved it on.
    """
    _hold(conn, moderation)
    if not moderations.decide(
        conn,
        moderation,
        status=Status.ABORTED,
        verdict=None,
        decided_by=BY_POLICY,
        error_code=reason.code,
        error_reason=str(reason),
        now=now,
    ):
        return None
    return _after(conn, moderation, (), public_url, now)


def override(
    conn: Connection,
    moderation_id: str,
    *,
    status: Status,
    by: str,
    labels: Labels,
    public_url: str,
    now: datetime,
    reason: str | None = None,
    told_at: datetime | None = None,
) -> Moderation:
    """Record a human's verdict, which no automatic one undoes; it may be changed by a human again.

    The reason stands in the audit trail. Nobody is told before ``told_at``. Raises NotFound, and Conflict for a status
    that is not a verdict.
    """
    if status not in _PLACEMENT:
        raise errors.Conflict(f"a moderation can be approved or rejected, not {status}")
    before = _present(conn, moderation_id)
    _hold(conn, before)
    moderations.override(conn, moderation_id, status=status, by=by, now=now)
    decided = _present(conn, moderation_id)
    _count(conn, before, decided)
    _consequences(conn, decided, labels, public_url, now, actor=f"human:{by}", reason=reason, told_at=told_at)
    return decided


def cancel(
    conn: Connection, moderation: Moderation, *, by: str, reason: str | None, public_url: str, now: datetime
) -> Moderation:
    """Record that nobody wants a verdict any more, and return the moderation as it is now.

    Raises Conflict for one that is decided, and when it has moved on since it was read.
    """
    _hold(conn, moderation)
    if not retrying.cancel(conn, moderation, by=by, reason=reason, now=now):
        raise errors.Conflict(f"moderation {moderation.id} has just moved on")
    cancelled = _present(conn, moderation.id)
    _consequences(conn, cancelled, (), public_url, now, actor=f"human:{by}", reason=reason)
    return cancelled


def retry(conn: Connection, moderation: Moderation, *, by: str, reason: str | None, now: datetime) -> Moderation:
    """Begin an aborted moderation anew, and return it; its next callback says that it is not the first.

    Raises Conflict for one that cannot be begun anew, and when it has moved on since it was read.
    """
    if not retrying.retry(conn, moderation, now=now):
        raise errors.Conflict(f"moderation {moderation.id} has just moved on")
    begun = _present(conn, moderation.id)
    _record(conn, begun, "retried", f"human:{by}", now, reason=reason)
    return begun


def _hold(conn: Connection, moderation: Moderation) -> None:
    """Hold the moderation's asset, which must come before any of its moderations."""
    rows.hold(conn, asset_rows, [moderation.asset_id])


def _after(conn: Connection, before: Moderation, labels: Labels, public_url: str, now: datetime) -> Moderation:
    decided = _present(conn, before.id)
    # Not by their count: a human may have decided since ``before`` was read.
    if decided.decided_by == BY_POLICY:
        _consequences(conn, decided, labels, public_url, now, actor=BY_POLICY)
    else:
        _record(conn, decided, "verdict_kept_as_evidence", BY_POLICY, now)
    return decided


def _consequences(
    conn: Connection,
    decided: Moderation,
    labels: Labels,
    public_url: str,
    now: datetime,
    *,
    actor: str,
    reason: str | None = None,
    told_at: datetime | None = None,
) -> None:
    moderations.follow(conn, decided, now=now)
    if decided.status in _PLACEMENT and _rules_the_asset(conn, decided):
        assets.want(conn, decided.asset_id, _PLACEMENT[decided.status], now)
    _tell(conn, decided, labels, public_url, now, told_at=told_at)
    _record(conn, decided, str(decided.status), actor, now, reason=reason)


def _rules_the_asset(conn: Connection, decided: Moderation) -> bool:
    """Say whether this decision is about the bytes the asset has now, and no human has since said otherwise."""
    asset = assets.by_id(conn, decided.asset_id)
    if asset is None or decided.asset_version not in (None, asset.version):
        return False
    return decided.decided_by != BY_POLICY or not moderations.human_since(
        conn, decided.asset_id, version=asset.version, since=_asked_at(conn, decided)
    )


def _asked_at(conn: Connection, decided: Moderation) -> datetime:
    """Return when the bytes were first to be judged: another policy for the same ones makes nobody's word older."""
    first = moderations.by_id(conn, decided.rejudges) if decided.rejudges else None
    return (first or decided).created_at


def _tell(
    conn: Connection,
    decided: Moderation,
    labels: Labels,
    public_url: str,
    now: datetime,
    *,
    told_at: datetime | None,
) -> None:
    account = accounts.by_id(conn, decided.account_id)
    asset = assets.by_id(conn, decided.asset_id)
    if account is None or asset is None:
        raise errors.NotFound(f"moderation {decided.id} has lost its account or asset")
    sequence = judged.decisions_about(conn, asset.id)
    about: dict[str, Any] = {
        "now": now,
        "told_at": told_at,
        "sequence": sequence,
        "moderation_id": decided.id,
        "asset_id": asset.id,
    }
    told: dict[str, Any] = {"public_url": public_url, "triggered_at": now, "sequence": sequence}
    named, bodies = decided.notification_urls, {}
    if telling.anybody(conn, account, "moderation", named):
        bodies["moderation"] = callback.moderation_body(account, asset, decided, labels, **told)
    if chain := judged.ended_chain(conn, decided):
        bodies["moderation_summary"] = callback.summary_body(account, asset, chain, **told)
    telling.tell(conn, account, bodies, named=named, **about)


def _count(conn: Connection, before: Moderation, decided: Moderation) -> None:
    """Count a human's decision as it is committed; of what was not judged yet, it is the verdict."""
    counters = [metrics.OVERRIDES.labels(before.status, decided.status)]
    if before.status in (Status.PENDING, Status.QUEUED):
        counters.append(metrics.MODERATIONS.labels(decided.status, "human"))
    if (before.decided_by, before.status, decided.status) == (BY_POLICY, Status.REJECTED, Status.APPROVED):
        reasons = (before.verdict or {}).get("reasons", ())
        categories = metrics.categories(reason["label"] for reason in reasons)
        counters += [metrics.TAKEN_BACK.labels(category) for category in categories]

    def count(_conn: Connection) -> None:
        for counter in counters:
            counter.inc()

    event.listen(conn, "commit", count, once=True)


def _record(
    conn: Connection, decided: Moderation, action: str, actor: str, now: datetime, *, reason: str | None = None
) -> None:
    detail = {"decision": decided.decisions, "error_code": decided.error_code}
    audit.record(
        conn,
        account_id=decided.account_id,
        actor=actor,
        action=action,
        now=now,
        moderation_id=decided.id,
        asset_id=decided.asset_id,
        detail=detail | ({"reason": reason} if reason is not None else {}),
    )


def _present(conn: Connection, moderation_id: str) -> Moderation:
    if (moderation := moderations.by_id(conn, moderation_id)) is None:
        raise errors.NotFound(f"there is no moderation {moderation_id}")
    return moderation
