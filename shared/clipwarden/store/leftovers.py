"""Leftovers: bytes that are nobody's, and that are to be deleted in a while: overwritten, or never claimed."""

import functools
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import ids
from clipwarden.moderation import Asset, Location
from clipwarden.store import rows
from clipwarden.store.schema import asset_versions, assets
from clipwarden.store.schema import leftovers as table

#: For how long bytes stay: jobs, moves and viewers may still be reading what was overwritten, and somebody may still be
#: at work to take in what came.
LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Bytes of one version of an asset, at their own location or in the quarantine, or bytes that came in for none."""

    id: str
    asset_id: str | None  #: ``None``, like the version, for bytes that no asset has claimed.
    version: int | None
    location: Location
    fence: int
    faults: int


def add(conn: Connection, asset: Asset, *, now: datetime) -> None:
    """Let the bytes that the asset has now be deleted in a while, if they are ours."""
    if asset.location is None or not asset.ours:
        return
    _insert(conn, asset.location, now, asset_id=asset.id, version=asset.version)


def foresee(conn: Connection, location: Location, *, now: datetime) -> str:
    """Let bytes that are about to be stored be deleted in a while, unless they are claimed, and return the row's id.

    So nothing stays of an upload whose process dies before anybody else knows of it.
    """
    return _insert(conn, location, now, asset_id=None, version=None)


def claim(conn: Connection, id: str) -> bool:
    """Let foreseen bytes stay, for the transaction gives them to an asset; ``False`` where they are being deleted."""
    return conn.execute(_claim(), {"wanted": id}).rowcount == 1


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


def _insert(conn: Connection, there: Location, now: datetime, *, asset_id: str | None, version: int | None) -> str:
    values = {
        "id": ids.new_id(),
        "asset_id": asset_id,
        "version": version,
        "bucket": there.bucket,
        "key": there.key,
        "object_version": there.version,
        "due_at": now + LIFETIME,
        "fence": 0,
        "faults": 0,
        "created_at": now,
        "updated_at": now,
    }
    rows.insert_unless_present(conn, table, values)
    return str(values["id"])


@functools.cache
def _claim() -> sa.Delete:
    # Whoever deletes the bytes has taken the row before.
    untaken = table.c.fence == sa.literal_column("0")
    return sa.delete(table).where(table.c.id == sa.bindparam("wanted", type_=table.c.id.type), untaken)


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
