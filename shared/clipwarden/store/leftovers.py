"""Leftovers: bytes that were overwritten, that nobody keeps, and that are to be deleted in a while."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import ids
from clipwarden.moderation import Asset, Location
from clipwarden.store import rows
from clipwarden.store.schema import asset_versions, assets
from clipwarden.store.schema import leftovers as table

#: For how long bytes stay that were overwritten: jobs, moves and viewers may still be reading them.
LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Bytes of one version of an asset, at their own location or in the quarantine."""

    id: str
    asset_id: str
    version: int
    location: Location
    fence: int
    faults: int


def add(conn: Connection, asset: Asset, *, now: datetime) -> None:
    """Let the bytes that the asset has now be deleted in a while, if they are ours."""
    if asset.location is None or not asset.ours:
        return
    values = {
        "id": ids.new_id(),
        "asset_id": asset.id,
        "version": asset.version,
        "bucket": asset.location.bucket,
        "key": asset.location.key,
        "object_version": asset.location.version,
        "due_at": now + LIFETIME,
        "fence": 0,
        "faults": 0,
        "created_at": now,
        "updated_at": now,
    }
    rows.insert_unless_present(conn, table, values)


def is_needed(conn: Connection, leftover: Leftover) -> bool:
    """Say whether an asset has these very bytes, or a kept version does."""
    there = leftover.location
    present = sa.select(assets.c.id).where(
        assets.c.bucket == there.bucket, assets.c.key == there.key, assets.c.deleted_at.is_(None)
    )
    kept = sa.select(asset_versions.c.id).where(
        asset_versions.c.asset_id == leftover.asset_id, asset_versions.c.version == leftover.version
    )
    return any(conn.execute(query.limit(1)).first() is not None for query in (present, kept))


def of_asset(conn: Connection, asset_id: str) -> list[Leftover]:
    """Return all leftovers of an asset."""
    return [parse(row) for row in conn.execute(sa.select(table).where(table.c.asset_id == asset_id)).mappings()]


def newest(conn: Connection, asset_id: str) -> int:
    """Return the highest version of the asset's leftovers, 0 where there are none."""
    highest = sa.select(sa.func.max(table.c.version)).where(table.c.asset_id == asset_id)
    return conn.execute(highest).scalar() or 0


def forget(conn: Connection, leftover: Leftover) -> bool:
    """Remove the row; ``False``, and nothing changed, when somebody else has taken it since."""
    held = sa.delete(table).where(table.c.id == leftover.id, table.c.fence == leftover.fence)
    return conn.execute(held).rowcount == 1


def parse(row: RowMapping) -> Leftover:
    """Return the leftover that a row holds."""
    return Leftover(
        id=row["id"],
        asset_id=row["asset_id"],
        version=row["version"],
        location=Location(bucket=row["bucket"], key=row["key"], version=row["object_version"]),
        fence=row["fence"],
        faults=row["faults"],
    )
