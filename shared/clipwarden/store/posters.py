"""Posters: a small picture of each video, for those who review it and nobody else."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.moderation import Asset
from clipwarden.store import rows
from clipwarden.store.schema import posters as table

_c = table.c


def keep(conn: Connection, asset: Asset, jpeg: bytes | None) -> None:
    """Keep the picture of an asset's present bytes in place of an earlier one; ``None`` where there is none."""
    if jpeg is None:
        forget(conn, asset.id)
        return
    seen = {"version": asset.version, "jpeg": jpeg}
    rows.insert_or_update(conn, table, {"asset_id": asset.id} | seen, key="asset_id", update=seen)


def of(conn: Connection, asset_id: str) -> bytes | None:
    """Return the picture of an asset, if there is one."""
    return conn.execute(sa.select(_c.jpeg).where(_c.asset_id == asset_id)).scalar_one_or_none()


def versions(conn: Connection, asset_ids: list[str]) -> dict[str, int]:
    """Return of which version there is a picture, by the ids of the assets that have one."""
    found = conn.execute(sa.select(_c.asset_id, _c.version).where(_c.asset_id.in_(asset_ids)))
    return {row.asset_id: row.version for row in found}


def forget(conn: Connection, asset_id: str) -> None:
    """Forget the picture of an asset."""
    conn.execute(sa.delete(table).where(_c.asset_id == asset_id))
