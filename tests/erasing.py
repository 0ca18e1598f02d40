"""Asking for an erasure, and waiting until all about a video has come to rest or is gone."""

from typing import Any

import sqlalchemy as sa

from clipwarden.moderation import Asset, Stage
from clipwarden.store import assets, schema
from clipwarden.store.engine import read
from fixtures.gateway import Gateway
from json_api import JsonApi
from waiting import eventually


def dashed(hexadecimal: str) -> str:
    """Return an id as the database has it."""
    parts = (8, 12, 16, 20, 32)
    return "-".join(hexadecimal[start:end] for start, end in zip((0, *parts), parts, strict=False))


def present(gateway: Gateway, asset_id: str) -> Asset:
    """Return the asset as it is now."""
    with read(gateway.services.engine) as conn:
        asset = assets.by_id(conn, asset_id)
    assert asset is not None
    return asset


def rested(gateway: Gateway, asset_id: str) -> Asset:
    """Return the asset once it is judged, everybody is told, and its bytes are where they are wanted."""
    eventually(lambda: _open(gateway, asset_id) == 0 and present(gateway, asset_id).due_at is None)
    return present(gateway, asset_id)


def erased(gateway: Gateway, asset_id: str) -> dict[str, Any]:
    """Ask for the erasure, and return what is said of it once it is done."""
    programs = JsonApi(url=gateway.url)
    assert programs.send("DELETE", f"/v1/assets/{asset_id}", None).status == 202
    eventually(lambda: ended(programs, asset_id))
    return ended(programs, asset_id) or {}


def ended(programs: JsonApi, asset_id: str) -> dict[str, Any] | None:
    """Return what is said of an erasure that is done."""
    told = programs.get(f"/v1/assets/{asset_id}/erasure").json
    return told if told["state"] == "erased" else None


def _open(gateway: Gateway, asset_id: str) -> int:
    m, d = schema.moderations.c, schema.deliveries.c
    with read(gateway.services.engine) as conn:
        undecided = sa.select(m.id).where(m.asset_id == asset_id, m.stage != Stage.DECIDED)
        undelivered = sa.select(d.id).where(d.asset_id == asset_id, d.due_at.is_not(None))
        return len(conn.execute(undecided).all()) + len(conn.execute(undelivered).all())
