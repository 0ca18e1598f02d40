"""Taking assets out of the library: one, several, or all that something is said of."""

from collections.abc import Sequence
from typing import Any

from clipwarden import logs, placing
from clipwarden.moderation import Asset
from clipwarden.store import library
from clipwarden.store.engine import read, write
from clipwarden_api.credentials import Caller
from clipwarden_api.services import Services

log = logs.logger(__name__)


def delete(services: Services, caller: Caller, names: Sequence[library.Name]) -> dict[str, Any]:
    """Take assets out of the library; the bytes of those without a backup are deleted."""
    deleted = {name.public_id: "deleted" if remove(services, caller, name) else "not_found" for name in names}
    return {"deleted": deleted, "partial": False}


def remove(services: Services, caller: Caller, name: library.Name) -> bool:
    """Take an asset out of the library, and say whether it was there."""
    with read(services.engine) as conn:
        asset = library.by_name(conn, caller.account.id, name)
    if asset is None or asset.deleted_at is not None:
        return False
    _take_out(services, asset)
    return True


def drop(services: Services, asset: Asset) -> None:
    """Delete an asset's bytes, wherever they are, unless a backup of them is to be kept; to be repeated at will."""
    if asset.backup or asset.location is None:
        return
    with read(services.engine) as conn:
        kept = library.is_kept(conn, asset.location)
    if not kept:
        services.media.delete(asset.location)
    services.media.delete(placing.quarantine(services.settings.media.bucket, asset))


def _take_out(services: Services, asset: Asset) -> None:
    # The bytes go first: if this is cut off in between, it can be repeated.
    drop(services, asset)
    with write(services.engine) as conn:
        library.delete(conn, asset, now=services.clock.now())
    log.info("asset deleted", account_id=asset.account_id, asset_id=asset.id, backup=asset.backup)
