"""Labels that were paid for before: found for the same bytes of the same account, and taken in place of a job's."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from clipwarden import logs, metrics
from clipwarden.moderation import BY_POLICY, Location, Moderation, Stage
from clipwarden.store import accounts, assets, audit, moderations
from clipwarden.store.engine import read
from clipwarden_workers import turn
from clipwarden_workers.bus import Step
from clipwarden_workers.pools import Pool
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def find(
    services: Services, moderation: Moderation, fingerprint: str | None, min_confidence: float
) -> Moderation | None:
    """Return the moderation whose labels say all that is needed of these bytes and are still there, if there is one."""
    window = services.settings.rekognition.reuse_window
    if not window or fingerprint is None:
        return None
    since = services.clock.now() - timedelta(seconds=window)
    with read(services.engine) as conn:
        origin = moderations.paid(conn, moderation.account_id, fingerprint, min_confidence=min_confidence, since=since)
    if origin is None or origin.labels_key is None:
        return None
    kept = Location(bucket=services.settings.media.bucket, key=origin.labels_key)
    return origin if services.media.exists(kept) else None


def take(
    services: Services, conn: Connection, moderation: Moderation, origin: Moderation, now: datetime, **changes: Any
) -> bool:
    """Let the moderation be judged by another one's labels; ``False``, and nothing changed, when it has moved on."""
    taken = turn.shift(
        conn,
        moderation,
        Stage.JUDGING,
        now=now,
        due_at=services.lease(now),
        labels_of=origin.id,
        labels_key=origin.labels_key,
        label_count=origin.label_count,
        model_version=origin.model_version,
        **changes,
    )
    if taken:
        record(conn, moderation, "labels_reused", origin.id, now)
    return taken


def record(conn: Connection, moderation: Moderation, action: str, labels_of: str | None, now: datetime) -> None:
    """Keep in the audit trail what became of another one's labels."""
    audit.record(
        conn,
        account_id=moderation.account_id,
        actor=BY_POLICY,
        action=action,
        now=now,
        moderation_id=moderation.id,
        asset_id=moderation.asset_id,
        detail={"labels_of": labels_of},
    )


def announce(services: Services, moderation: Moderation, origin: Moderation, pool: Pool) -> None:
    """Send the message of a moderation whose labels are taken, once that is committed, and count what it saves."""
    services.bus.send(Step.DECIDE, moderation.id, moderation.fence + 1)
    log.info("labels reused", labels_of=origin.id, labels=origin.label_count)
    metrics.LABELS_REUSED.inc()
    with read(services.engine) as conn:
        asset = assets.by_id(conn, moderation.asset_id)
        account = accounts.by_id(conn, moderation.account_id)
    if asset is None or asset.facts is None or account is None:
        return
    seconds = asset.facts.duration_ms / 1000
    metrics.SAVED_SECONDS.labels(account.name, pool.name).inc(seconds)
    metrics.SAVED_COST.labels(account.name, pool.name).inc(seconds / 60 * pool.settings.price_per_minute)
