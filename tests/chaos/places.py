"""The places: at rest, bytes are where they are wanted, whole, and nowhere else, and all that is stored is known."""

import hashlib
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from chaos.world import World
from clipwarden import errors, ids, placing
from clipwarden.media.opening import open_store
from clipwarden.media.store import MediaStore
from clipwarden.moderation import Asset, Location, Placement
from clipwarden.store import assets, schema
from clipwarden.store.engine import read


def every(world: World) -> list[Asset]:
    """Return all assets, deleted ones included."""
    with read(world.engine) as conn:
        return [assets.parse(row) for row in conn.execute(schema.assets.select()).mappings()]


def kept(world: World, asset: Asset) -> bytes | None:
    """Return an asset's bytes from where they are wanted, and ``None`` where there are none."""
    media = open_store(world.settings.media)
    return _read(media, _places(world, asset)[asset.wanted])


def broken(world: World, asset: Asset, sha256: str | None) -> list[str]:
    """Return what is wrong with the places of an asset's bytes, which are those of this digest, if that is known."""
    name = f"{asset.public_id} ({asset.id}, version {asset.version})"
    if asset.due_at is not None or asset.wanted is not asset.placed:
        return [f"{name} is at rest, wanted in the {asset.wanted} and placed in the {asset.placed}"]
    if asset.deleted_at is not None or asset.location is None:
        return []
    media, found = open_store(world.settings.media), _places(world, asset)
    content = _read(media, found.pop(asset.wanted))
    wrong = [] if content is not None else [f"{name} is not in the {asset.wanted}, where it belongs"]
    if content is not None and sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        wrong.append(f"{name} is in the {asset.wanted} with other bytes than were sent")
    [(elsewhere, location)] = found.items()
    return wrong + ([f"{name} is in the {elsewhere}, too"] if media.exists(location) else [])


def strays(engine: Engine, bucket: Path) -> list[str]:
    """Return what gateways have stored below a folder, and nothing tells of: nobody would ever serve or delete it."""
    stored = {path.name for path in (bucket / "videos").iterdir() if ids.read(path.name) is not None}
    telling = (schema.assets, schema.asset_versions, schema.leftovers, schema.uploads)
    with read(engine) as conn:
        known = set(conn.execute(sa.union(*(sa.select(table.c.key) for table in telling))).scalars())
    return [f"videos/{name} is nobody's, and nothing deletes it" for name in stored if f"videos/{name}" not in known]


def _places(world: World, asset: Asset) -> dict[Placement, Location]:
    assert asset.location is not None
    home = Location(bucket=asset.location.bucket, key=asset.location.key)
    hidden = placing.quarantine(world.settings.media.bucket, asset)
    return {Placement.LIBRARY: home, Placement.QUARANTINE: hidden}


def _read(media: MediaStore, location: Location) -> bytes | None:
    try:
        with media.open(location) as stream:
            return stream.read()
    except errors.MediaNotFound:
        return None
