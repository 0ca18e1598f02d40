"""Taking assets out of the library: one, several, or all that something is said of."""

from collections.abc import Sequence
from typing import Any

from clipwarden import ids, logs, placing
from clipwarden.moderation import Asset, AssetVersion, ResourceType
from clipwarden.store import library, versions
from clipwarden.store.engine import read, write
from clipwarden_api import calls, resources
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import bad
from clipwarden_api.services import Services

log = logs.logger(__name__)

#: Assets that one call deletes at most when they are not named one by one.
PAGE = 100


def by_type(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Take assets of one type out of the library: those that are named, those of a prefix, or all of them."""
    kind, type = calls.resource_type(path), path["type"]
    if public_ids := asked.texts("public_ids"):
        names = resources.names(public_ids, kind, type)
        with read(services.engine) as conn:
            found = [(name.public_id, library.by_name(conn, caller.account.id, name)) for name in names]
        return _deleted(services, asked, found)
    prefix = asked.text("prefix")
    if prefix is None and not asked.flag("all"):
        raise bad("Missing required parameter - public_ids")
    return _matching(services, caller, asked, resource_type=ResourceType(kind), type=type, prefix=prefix)


def by_tag(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Take the assets that have a tag out of the library."""
    kind = ResourceType(calls.resource_type(path))
    return _matching(services, caller, asked, resource_type=kind, tag=path["tag"])


def by_asset_ids(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Take assets out of the library by their ids."""
    del path
    if not (texts := asked.texts("asset_ids")):
        raise bad("asset_ids parameter is required")
    with read(services.engine) as conn:
        there = {asset.id: asset for asset in library.by_ids(conn, caller.account.id, calls.asset_ids(texts))}
    return _deleted(services, asked, [(text, there.get(ids.read(text) or "")) for text in texts])


def remove(services: Services, caller: Caller, name: library.Name) -> bool:
    """Take an asset out of the library, and say whether it was there."""
    with read(services.engine) as conn:
        asset = library.by_name(conn, caller.account.id, name)
    if asset is None or asset.deleted_at is not None:
        return False
    _take_out(services, asset)
    return True


def drop(services: Services, asset: Asset) -> None:
    """Delete an asset's bytes, wherever they are, unless a backup of them is to be kept; to be repeated at will.

    What is a user's own object stays, in the quarantine if it was moved there.
    """
    if asset.backup or asset.location is None or not asset.ours:
        return
    with read(services.engine) as conn:
        kept = versions.is_kept(conn, asset.location)
    if not kept:
        services.media.delete(asset.location)
    services.media.delete(placing.quarantine(services.settings.media.bucket, asset))


def drop_version(services: Services, asset: Asset, version: AssetVersion) -> None:
    """Delete the bytes of an asset's version, wherever they are, if they are ours; to be repeated at will."""
    if not version.ours:
        return
    services.media.delete(version.location)
    services.media.delete(placing.quarantine(services.settings.media.bucket, asset, version.version))


def _matching(services: Services, caller: Caller, asked: Parameters, **wanted: Any) -> dict[str, Any]:
    """Delete a page of what matches; the answer's cursor, if it has one, leads to the rest."""
    with read(services.engine) as conn:
        page = library.present(
            conn, caller.account.id, limit=PAGE, after=asked.text("next_cursor"), newest_first=False, **wanted
        )
    answer = _deleted(services, asked, [(asset.public_id, asset) for asset in page.items])
    return answer | ({"partial": True, "next_cursor": page.next_cursor} if page.next_cursor else {})


def _deleted(services: Services, asked: Parameters, found: Sequence[tuple[str, Asset | None]]) -> dict[str, Any]:
    # Originals are to stay when only what is made of them is named; nothing is made of them here.
    if asked.flag("keep_original") or asked.text("transformations") is not None:
        return {"deleted": {}, "partial": False}
    gone = set()
    for name, asset in found:
        if asset is not None and asset.deleted_at is None:
            _take_out(services, asset)
            gone.add(name)
    return {
        "deleted": {name: "deleted" if name in gone else "not_found" for name, _ in found},
        "deleted_counts": {name: {"original": 1, "derived": 0} for name in sorted(gone)},
        "partial": False,
    }


def _take_out(services: Services, asset: Asset) -> None:
    # The bytes go first: if this is cut off in between, it can be repeated.
    drop(services, asset)
    with write(services.engine) as conn:
        library.delete(conn, asset, now=services.clock.now())
    log.info("asset deleted", account_id=asset.account_id, asset_id=asset.id, backup=asset.backup)
