"""Moderations as answers say them."""

from collections.abc import Sequence

from sqlalchemy import Connection

from clipwarden.moderation import Asset, Status
from clipwarden.moderation import Moderation as Row
from clipwarden.store import library
from clipwarden_api.v1.models import AssetNamed, Chain, Failure, Moderation, Verdict

#: What is said as it stands in the row.
_SAME = (
    *("id", "kind", "status", "stage", "source", "priority", "idempotency_key", "superseded", "attempt", "retries"),
    *("rejudges", "labels_of", "label_count", "model_version", "decided_by", "decisions"),
    *("created_at", "updated_at", "started_at", "ended_at", "decided_at"),
)


def shown(conn: Connection, row: Row) -> Moderation:
    """Return what is said of a moderation."""
    return all_shown(conn, [row])[0]


def all_shown(conn: Connection, rows: Sequence[Row]) -> list[Moderation]:
    """Return what is said of moderations, all of which are one account's."""
    if not rows:
        return []
    ids = sorted({row.asset_id for row in rows})
    assets = {asset.id: asset for asset in library.by_ids(conn, rows[0].account_id, ids)}
    return [_one(row, assets[row.asset_id]) for row in rows]


def named(asset: Asset, version: int | None) -> AssetNamed:
    """Return how an asset is called, and which of its versions is meant."""
    return AssetNamed(
        asset_id=asset.id.replace("-", ""),
        public_id=asset.public_id,
        resource_type=asset.resource_type.value,
        type=asset.type,
        version=version,
    )


def _one(row: Row, asset: Asset) -> Moderation:
    aborted = row.status is Status.ABORTED and row.error_code is not None
    return Moderation(
        **{name: getattr(row, name) for name in _SAME},
        moderation=row.policy,
        notification_urls=list(row.notification_urls),
        asset=named(asset, row.asset_version),
        chain=Chain(id=row.chain, position=row.chain_position) if row.chain else None,
        verdict=Verdict.model_validate(row.verdict) if row.verdict is not None else None,
        error=Failure(code=row.error_code or "", message=row.error_reason or "") if aborted else None,
    )
