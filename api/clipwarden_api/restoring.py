"""Bringing back what was deleted or overwritten, and giving up what is kept for that.

What was rejected is not brought back here: a human approves it, and it comes back by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clipwarden import ids, logs, placing
from clipwarden.media.store import find
from clipwarden.moderation import Asset, AssetVersion, Location, Placement
from clipwarden.store import erasures, library, versions
from clipwarden.store.engine import read, write
from clipwarden_api import calls, removing, rendering, resources
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import bad, not_found
from clipwarden_api.services import Services

log = logs.logger(__name__)

_NO_BACKUP, _REJECTED, _FAILED = ({"error": word} for word in ("no_backup", "unauthorized", "failed"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """An asset, and the version whose bytes it is to have; ``None`` for those it has."""

    asset: Asset
    version: AssetVersion | None


def by_public_ids(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Restore assets by their names, and return what became of each."""
    if not (public_ids := asked.texts("public_ids")):
        raise bad("Missing required parameter - public_ids")
    names = resources.names(public_ids, calls.resource_type(path), path["type"])
    with read(services.engine) as conn:
        found = {name.public_id: library.by_name(conn, caller.account.id, name) for name in names}
    return _each(services, caller, public_ids, asked.texts("versions"), found.get)


def by_asset_ids(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Restore assets by their ids, and return what became of each."""
    del path
    if not (texts := asked.texts("asset_ids")):
        raise bad("asset_ids parameter is required")
    with read(services.engine) as conn:
        found = {asset.id: asset for asset in library.by_ids(conn, caller.account.id, calls.asset_ids(texts))}
    return _each(services, caller, texts, asked.texts("versions"), lambda text: found.get(ids.read(text) or ""))


def forget(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Give up versions that are kept of an asset; the bytes that it has now are not deleted."""
    wanted = set(asked.texts("version_ids"))
    if not wanted:
        raise bad("Missing required parameter - version_ids")
    [asset_id] = calls.asset_ids([path["asset_id"]])
    with write(services.engine) as conn:
        asset = library.by_id(conn, caller.account.id, asset_id, for_update=True)
        if asset is None:
            raise not_found(path["asset_id"])
        gone = [one for one in versions.of_asset(conn, asset.id) if _called(one) in wanted]
        versions.forget(conn, asset.id, [one.id for one in gone])
        if asset.deleted_at is not None and asset.version in {one.version for one in gone}:
            library.describe(conn, asset, now=services.clock.now(), backup=False)
    for one in gone:
        if asset.deleted_at is not None or one.version != asset.version:
            removing.drop_version(services, asset, one)
    return {"asset_id": asset.id.replace("-", ""), "deleted_version_ids": [_called(one) for one in gone]}


def _each(
    services: Services,
    caller: Caller,
    asked: Sequence[str],
    version_ids: Sequence[str],
    found: Callable[[str], Asset | None],
) -> dict[str, Any]:
    if version_ids and len(version_ids) != len(asked):
        raise bad("versions count must match ids count")
    wanted = dict(zip(asked, version_ids or [""] * len(asked), strict=True))
    return {one: _one(services, caller, found(one), version_id) for one, version_id in wanted.items()}


def _one(services: Services, caller: Caller, asset: Asset | None, version_id: str) -> dict[str, Any]:
    if asset is None or _is_erased(services, asset) or (candidate := _candidate(services, asset, version_id)) is None:
        return _NO_BACKUP
    if _is_rejected(services, candidate):
        return _REJECTED
    if (candidate := _found(services, candidate)) is None:
        return _NO_BACKUP
    if (restored := _restore(services, candidate)) is None:
        return _FAILED
    log.info("asset restored", account=caller.account.name, asset_id=asset.id, version=restored.version)
    return resources.shown(services, caller, restored)


def _candidate(services: Services, asset: Asset, version_id: str) -> _Candidate | None:
    if version_id in ("", rendering.version_id(asset.id, asset.version)):
        there = asset.deleted_at is None or asset.backup
        return _Candidate(asset=asset, version=None) if there else None
    with read(services.engine) as conn:
        kept = versions.of_asset(conn, asset.id)
    version = next((one for one in kept if _called(one) == version_id), None)
    return _Candidate(asset=asset, version=version) if version is not None else None


def _is_erased(services: Services, asset: Asset) -> bool:
    with read(services.engine) as conn:
        return erasures.is_asked(conn, asset.id)


def _is_rejected(services: Services, candidate: _Candidate) -> bool:
    asset, version = candidate.asset, candidate.version
    if version is None:
        return asset.wanted is Placement.QUARANTINE
    with read(services.engine) as conn:
        return version.version in versions.rejected(conn, asset.id)


def _found(services: Services, candidate: _Candidate) -> _Candidate | None:
    """Return the candidate with its bytes where they belong; ``None`` where there are none any more."""
    asset, version = candidate.asset, candidate.version
    if version is None:
        # A move that is under way ends by itself.
        moving = asset.placed is Placement.QUARANTINE
        there = asset.location is not None and (moving or find(services.media, asset.location) is not None)
        return candidate if there else None
    if find(services.media, version.location) is not None:
        return candidate
    hidden = placing.quarantine(services.settings.media.bucket, asset, version.version)
    if find(services.media, hidden) is None:
        return None
    home = Location(bucket=version.location.bucket, key=version.location.key)
    back = services.media.move(hidden, home, etag=None)
    return replace(candidate, version=replace(version, location=back.location, etag=back.etag))


def _restore(services: Services, candidate: _Candidate) -> Asset | None:
    """Return the asset as it is now; ``None``, and nothing changed, if it is not what it was a moment ago."""
    asset, version = candidate.asset, candidate.version
    with write(services.engine) as conn:
        now_there = library.by_id(conn, asset.account_id, asset.id, for_update=True)
        if erasures.is_asked(conn, asset.id):
            return None
        if now_there is None or (now_there.version, now_there.wanted) != (asset.version, asset.wanted):
            return None
        if version is not None and version.id not in {one.id for one in versions.of_asset(conn, asset.id)}:
            return None
        return library.undelete(conn, now_there, version, now=services.clock.now())


def _called(version: AssetVersion) -> str:
    return rendering.version_id(version.asset_id, version.version)
