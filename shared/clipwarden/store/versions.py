"""Versions: the bytes that an asset had before, or had until it was deleted, and how they become its bytes again."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import ids
from clipwarden.moderation import Asset, AssetVersion, Facts, Location, Placement, Status
from clipwarden.store import assets, leftovers, rows
from clipwarden.store.schema import asset_versions as table
from clipwarden.store.schema import assets as owners
from clipwarden.store.schema import moderations as judged

_c, _m = table.c, judged.c

#: Versions of one asset that are told of at most, the newest.
LISTED = 100


def keep(conn: Connection, asset: Asset, now: datetime) -> None:
    """Record where the asset's present bytes are, so that they are found when it has others, or none."""
    if asset.location is None or asset.bytes is None:
        return
    values = {
        "id": ids.new_id(),
        "asset_id": asset.id,
        "version": asset.version,
        "bucket": asset.location.bucket,
        "key": asset.location.key,
        "object_version": asset.location.version,
        "bytes": asset.bytes,
        "etag": asset.etag,
        "fingerprint": asset.fingerprint,
        "format": asset.format,
        "facts": asdict(asset.facts) if asset.facts else None,
        "ours": asset.ours,
        "md5": asset.md5,
        "created_at": now,
    }
    rows.insert_unless_present(conn, table, values)


def part(conn: Connection, asset: Asset, now: datetime) -> None:
    """Keep the bytes that the asset is about to lose as a version if it has backups; else let them be deleted."""
    if asset.backup:
        keep(conn, asset, now)
    else:
        leftovers.add(conn, asset, now=now)


def newest(conn: Connection, asset: Asset) -> int:
    """Return the highest version that an asset has or had: its next bytes have a higher one."""
    highest = conn.execute(sa.select(sa.func.max(_c.version)).where(_c.asset_id == asset.id)).scalar()
    return max(asset.version, highest or 0, leftovers.newest(conn, asset.id))


def of_asset(conn: Connection, asset_id: str, *, for_update: bool = False) -> list[AssetVersion]:
    """Return the newest of an asset's kept versions, the newest first; held from others' changes where wanted."""
    query = sa.select(table).where(_c.asset_id == asset_id).order_by(_c.version.desc()).limit(LISTED)
    found = conn.execute(query.with_for_update() if for_update else query).mappings()
    return [parse(row) for row in found]


def all_of(conn: Connection, asset_id: str) -> list[AssetVersion]:
    """Return all of an asset's kept versions."""
    return [parse(row) for row in conn.execute(sa.select(table).where(_c.asset_id == asset_id)).mappings()]


def is_kept(conn: Connection, location: Location) -> bool:
    """Say whether the object at a location is an earlier version of some asset."""
    there = (table.c.bucket == location.bucket, table.c.key == location.key)
    return conn.execute(sa.select(table.c.id).where(*there).limit(1)).first() is not None


def rejected(conn: Connection, asset_id: str) -> set[int]:
    """Return the versions of an asset that somebody rejects: of each kind, the newest moderation of them counts."""
    query = sa.select(_m.asset_version, _m.kind, _m.status).where(_m.asset_id == asset_id)
    query = query.where(_m.asset_version.is_not(None)).order_by(_m.created_at, _m.id)
    last = {(row.asset_version, row.kind): row.status for row in conn.execute(query)}
    return {version for (version, _), status in last.items() if status == Status.REJECTED}


def rejected_before(before: datetime) -> sa.Select[Any]:
    """Find earlier versions of assets that were rejected, and replaced, before a moment, as ``rejected`` tells them."""
    later = judged.alias("later")
    newer = sa.tuple_(later.c.created_at, later.c.id) > sa.tuple_(_m.created_at, _m.id)
    same = [later.c[name] == _m[name] for name in ("asset_id", "asset_version", "kind")]
    # Cast, so that SQLite looks at the asset's moderations, not at all that were ever rejected.
    refused = sa.cast(_m.status, sa.Text) == str(Status.REJECTED)
    last = (refused, _m.decided_at < before, ~sa.exists().where(*same, newer))
    about = (_m.asset_id == _c.asset_id, _m.asset_version == _c.version)
    present = sa.exists().where(owners.c.id == _c.asset_id, owners.c.version == _c.version)
    return sa.select(table).where(_c.created_at < before, sa.exists().where(*about, *last), ~present)


def rejected_of(conn: Connection, asset_id: str, *, before: datetime) -> list[AssetVersion]:
    """Return those of an asset that ``rejected_before`` finds."""
    found = conn.execute(rejected_before(before).where(_c.asset_id == asset_id)).mappings()
    return [parse(row) for row in found]


def restore(conn: Connection, asset: Asset, version: AssetVersion | None, *, now: datetime) -> Asset:
    """Put an asset back into the library, with the bytes of a version or else those it has, and return it.

    The bytes it has are kept as a version. With the bytes the version's moderations come back: those say what the
    asset's status is, and those that still run may yet reject it. A move that may be under way is fenced out.
    """
    changes: dict[str, Any] = {"deleted_at": None, "updated_at": now}
    if version is not None and version.version != asset.version:
        keep(conn, asset, now)
        changes |= _bytes_of(version)
        _present(conn, asset.id, version.version)
    changed = sa.update(owners).where(owners.c.id == asset.id).values(**changes).returning(owners)
    return assets.parse(conn.execute(changed).mappings().one())


def forget(conn: Connection, asset_id: str, versions: Collection[str]) -> None:
    """Forget these of an asset's versions; their bytes stay where they are."""
    conn.execute(sa.delete(table).where(_c.asset_id == asset_id, _c.id.in_(sorted(versions))))


def parse(row: RowMapping | Mapping[str, Any]) -> AssetVersion:
    """Return the version that a row of ``asset_versions`` holds."""
    values: dict[str, Any] = dict(row)
    bucket, key, pinned = (values.pop(name) for name in ("bucket", "key", "object_version"))
    values["location"] = Location(bucket=bucket, key=key, version=pinned)
    values["facts"] = Facts(**values["facts"]) if values["facts"] is not None else None
    return AssetVersion(**values)


def _bytes_of(version: AssetVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "bucket": version.location.bucket,
        "key": version.location.key,
        "object_version": version.location.version,
        "bytes": version.bytes,
        "etag": version.etag,
        "fingerprint": version.fingerprint,
        "facts": asdict(version.facts) if version.facts else None,
        "format": version.format,
        "ours": version.ours,
        "md5": version.md5,
        "wanted": Placement.LIBRARY,
        "placed": Placement.LIBRARY,
        "due_at": None,
        "fence": owners.c.fence + 1,
        "faults": 0,
        "restored_at": None,
    }


def _present(conn: Connection, asset_id: str, version: int) -> None:
    """Let of each kind only the newest moderation of this version count as the asset's."""
    later = judged.alias("later")
    newer = sa.tuple_(later.c.created_at, later.c.id) > sa.tuple_(_m.created_at, _m.id)
    same = sa.and_(later.c.asset_id == _m.asset_id, later.c.kind == _m.kind, later.c.asset_version == version)
    older = sa.exists().where(same, newer)
    superseded = sa.or_(_m.asset_version.is_(None), _m.asset_version != version, older)
    conn.execute(sa.update(judged).where(_m.asset_id == asset_id).values(superseded=superseded))
