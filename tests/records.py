"""Rows for tests of the database: accounts, assets and moderations with everything that a test does not care about."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from clipwarden import ids
from clipwarden.moderation import BY_POLICY, Account, Asset, Kind, Moderation, Stage, Status
from clipwarden.store import accounts, assets, leases, moderations, schema
from clipwarden.store.endpoint_states import Limits

#: What endpoints of callbacks are granted.
LIMITS = Limits(
    concurrency=4,
    rate=0,
    tolerance=3,
    pause=timedelta(seconds=10),
    longest_pause=timedelta(seconds=25),
    patience=timedelta(days=5),
)

VERDICT = {"status": "rejected", "reasons": [{"category": "violence", "confidence": 97.25}]}

#: The time at which everything in these tests begins.
START = datetime(2026, 3, 1, 12, 0, 0, 250_001, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return the time that many seconds after the start."""
    return START + timedelta(seconds=seconds)


def account(conn: Connection, name: str = "demo") -> Account:
    """Create or find an account."""
    return accounts.ensure(conn, name=name, api_key=f"key-{name}", api_secret="secret", now=START)


def asset(conn: Connection, owner: Account | None = None, public_id: str = "clip") -> Asset:
    """Create or find an asset."""
    return assets.obtain(conn, account_id=(owner or account(conn)).id, public_id=public_id, now=START)


def moderation(
    conn: Connection,
    of: Asset | None = None,
    *,
    id: str | None = None,
    key: str | None = None,
    kind: Kind = Kind.AWS_REK_VIDEO,
    stage: Stage = Stage.QUEUED,
    status: Status = Status.PENDING,
    priority: int = 0,
    due_at: datetime | None = START,
    now: datetime = START,
    notification_urls: Sequence[str] = (),
    pool: str | None = None,
) -> Moderation:
    """Create a moderation; the pool must be there."""
    owned = of or asset(conn)
    made, _ = moderations.accept(
        conn,
        id=id or ids.new_id(),
        account_id=owned.account_id,
        asset_id=owned.id,
        kind=kind,
        policy="aws_rek_video",
        source="s3://bucket/clip.mp4",
        idempotency_key=key,
        notification_urls=notification_urls,
        priority=priority,
        stage=stage,
        status=status,
        due_at=due_at,
        now=now,
    )
    if pool is not None:
        leases.amend(conn, schema.moderations, made.id, fence=made.fence, now=now, pool=pool)
    return made


def decide(conn: Connection, row: Moderation, **changes: Any) -> bool:
    """Decide as the rules do, unless told otherwise."""
    ruled = {"status": Status.REJECTED, "verdict": VERDICT, "decided_by": BY_POLICY, "now": at(60)}
    return moderations.decide(conn, row, **{**ruled, "error_code": None, "error_reason": None, **changes})


def present(conn: Connection, id: str) -> Moderation:
    """Return a moderation as it is now."""
    row = moderations.by_id(conn, id)
    assert row is not None
    return row
