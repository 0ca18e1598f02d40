"""Renaming: an asset gets another public id, another delivery type or both, and stays the asset that it is."""

from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from clipwarden.moderation import Asset, ResourceType
from clipwarden.store import leftovers, library
from clipwarden.store.engine import write
from clipwarden_api import asking, calls, naming, removing, rendering
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import bad, not_found
from clipwarden_api.services import Services


def rename(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Give an asset another name; whatever has that name already goes first, where that is wanted.

    Raises Refusal where there is no such asset, for a name that cannot be, and for one that is taken.
    """
    before, after = _names(asked, ResourceType(calls.resource_type(path)))
    if before == after:
        raise bad("from_public_id and to_public_id are the same")
    overwrite, now = asked.flag("overwrite"), services.clock.now()
    with write(services.engine) as conn:
        library.hold(conn, caller.account.id, [before, after])
        asset = library.by_name(conn, caller.account.id, before, for_update=True)
        if asset is None or asset.deleted_at is not None:
            raise not_found(before.public_id)
        gone = _make_way(conn, caller, after, now) if overwrite else None
        renamed = library.rename(conn, asset, after, now=now)
        if renamed is None:
            raise bad(f"to_public_id ({after.public_id}) already exists")
        present = library.moderations_of(conn, [asset.id])[asset.id]
    if gone is not None:
        removing.drop(services, gone)
    return rendering.uploaded(caller, renamed, present, public_url=services.public_url)


def _names(asked: Parameters, kind: ResourceType) -> tuple[library.Name, library.Name]:
    given = {name: asked.text(name) for name in ("from_public_id", "to_public_id")}
    if missing := [name for name, value in given.items() if value is None]:
        raise bad(f"Missing required parameter - {missing[0]}")
    type = asked.text("type") or "upload"
    to_type = asked.text("to_type") or type
    if to_type not in asking.TYPES:
        raise bad(f"Invalid value for parameter to_type: {to_type[:64]}")
    after = naming.check(str(given["to_public_id"]), "to_public_id")
    before = library.Name(resource_type=kind, type=type, public_id=str(given["from_public_id"]))
    return before, library.Name(resource_type=kind, type=to_type, public_id=after)


def _make_way(conn: Connection, caller: Caller, name: library.Name, now: datetime) -> Asset | None:
    """Delete the asset that has a name, if there is one, and return it."""
    asset = library.by_name(conn, caller.account.id, name, for_update=True)
    if asset is None or asset.deleted_at is not None:
        return None
    library.delete(conn, asset, now=now)
    if not asset.backup:
        leftovers.add(conn, asset, now=now)  # Should this process die before it has deleted them.
    return asset
