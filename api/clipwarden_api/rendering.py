"""What the APIs say of an asset, with the keys that Cloudinary's SDKs and their users know."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from clipwarden.callback import label
from clipwarden.moderation import Account, Asset, AssetVersion, Moderation, Placement, Status
from clipwarden_api.credentials import Caller

#: From the strongest: what an asset with several moderations is called by.
_STRONGEST = (Status.REJECTED, Status.ABORTED, Status.PENDING, Status.QUEUED, Status.APPROVED)


def core(account: Account, asset: Asset, *, public_url: str) -> dict[str, Any]:
    """Return what every answer says of an asset."""
    gone = hidden(asset)
    facts = asset.facts
    url = delivery_url(account, asset, public_url=public_url)
    said: dict[str, Any] = {
        "asset_id": asset.id.replace("-", ""),
        "public_id": asset.public_id,
        "format": asset.format or "",
        "version": asset.version,
        "version_id": version_id(asset.id, asset.version),
        "resource_type": str(asset.resource_type),
        "type": asset.type,
        "created_at": instant(asset.created_at),
        "bytes": 0 if gone else asset.bytes or 0,
        "asset_folder": asset.asset_folder or "",
        "display_name": asset.display_name or asset.public_id.rpartition("/")[2],
        "access_mode": "public",
        "placeholder": gone,
        "url": url,
        "secure_url": url,
    }
    if facts is not None:
        said |= {"width": facts.width, "height": facts.height}
    return said


def uploaded(caller: Caller, asset: Asset, moderations: Sequence[Moderation], *, public_url: str) -> dict[str, Any]:
    """Return the answer to an upload; its signature lets the uploader prove to others what was stored."""
    account = caller.account
    said = core(account, asset, public_url=public_url)
    signed = f"public_id={asset.public_id}&version={asset.version}{caller.secret}"
    algorithm = account.signature_algorithm
    said |= {
        "signature": hashlib.new(algorithm, signed.encode()).hexdigest(),
        "etag": asset.shown_etag,
        "tags": list(asset.tags),
        "pages": 0,
        "original_filename": asset.original_filename or "file",
        "api_key": caller.key,
    }
    if asset.context:
        said["context"] = {"custom": dict(asset.context)}
    if asset.facts is not None:
        facts = asset.facts
        said |= {
            "is_audio": False,
            "frame_rate": facts.frame_rate,
            "duration": facts.duration_ms / 1000,
            "rotation": facts.rotation,
            "video": {"codec": facts.codec},
            "audio": {},
        }
    if moderations:
        said["moderation"] = [{"id": one.id, "status": str(one.status), "kind": str(one.kind)} for one in moderations]
    return said


def resource(
    account: Account,
    asset: Asset,
    moderations: Sequence[Moderation],
    labels: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    public_url: str,
) -> dict[str, Any]:
    """Return all that is said of one asset; ``labels`` are those to be shown of each moderation."""
    said = core(account, asset, public_url=public_url)
    said |= {
        "etag": asset.shown_etag,
        "tags": list(asset.tags),
        "context": {"custom": dict(asset.context)} if asset.context else {},
        "metadata": {},
        "status": "active",
        "backup": asset.backup,
        "derived": [],
        "last_updated": {"updated_at": instant(asset.updated_at)},
    }
    if asset.facts is not None:
        said |= {"duration": asset.facts.duration_ms / 1000, "frame_rate": asset.facts.frame_rate}
    if moderations:
        said |= summary(moderations)
        said["moderation"] = [_element(one, labels.get(one.id)) for one in moderations]
    return said


def listed(
    account: Account, asset: Asset, moderations: Sequence[Moderation], flags: Mapping[str, bool], *, public_url: str
) -> dict[str, Any]:
    """Return what a list says of an asset: the parts that were asked for, and never labels."""
    said = core(account, asset, public_url=public_url)
    if flags.get("tags"):
        said["tags"] = list(asset.tags)
    if flags.get("context"):
        said["context"] = {"custom": dict(asset.context)} if asset.context else {}
    if flags.get("metadata"):
        said["metadata"] = {}
    if flags.get("moderations") and moderations:
        said |= summary(moderations)
        said["moderation"] = [_element(one, None) for one in moderations]
    return said


def summary(moderations: Sequence[Moderation]) -> dict[str, str]:
    """Return the kind and status that an asset as a whole has."""
    one = weightiest(moderations)
    return {"moderation_kind": str(one.kind), "moderation_status": str(one.status)} if one is not None else {}


def weightiest(moderations: Sequence[Moderation]) -> Moderation | None:
    """Return the moderation whose status is the asset's: a rejection before all others, an approval after them."""
    return min(moderations, key=lambda one: _STRONGEST.index(one.status), default=None)


def version_id(asset_id: str, version: int) -> str:
    """Return what one version of an asset is called by, among all versions of all assets."""
    return hashlib.sha256(f"{asset_id}:{version}".encode()).hexdigest()[:32]


def version(one: AssetVersion, *, restorable: bool) -> dict[str, Any]:
    """Return what is said of bytes that an asset had."""
    return {
        "version_id": version_id(one.asset_id, one.version),
        "version": one.version,
        "format": one.format or "",
        "size": one.bytes,
        "time": instant(one.created_at),
        "restorable": restorable,
    }


def hidden(asset: Asset) -> bool:
    """Say whether the asset's bytes are out of sight: rejected, or deleted."""
    return asset.wanted is Placement.QUARANTINE or asset.deleted_at is not None


def delivery_url(account: Account, asset: Asset, *, public_url: str) -> str:
    """Return the URL under which an asset is delivered while it is in the library."""
    extension = f".{asset.format}" if asset.format and asset.resource_type != "raw" else ""
    place = f"{quote(account.name, safe='')}/{asset.resource_type}/{asset.type}/v{asset.version}"
    return f"{public_url.rstrip('/')}/{place}/{quote(asset.public_id, safe='/')}{extension}"


def instant(moment: datetime) -> str:
    """Return a moment as Cloudinary writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _element(moderation: Moderation, labels: Iterable[Mapping[str, Any]] | None) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if labels is not None and moderation.label_count is not None:
        said["response"] = {
            "moderation_labels": [label(one) for one in labels],
            "moderation_model_version": moderation.model_version,
        }
    said |= {"id": moderation.id, "status": str(moderation.status), "kind": str(moderation.kind)}
    said["updated_at"] = instant(moderation.decided_at or moderation.updated_at)
    if moderation.error_reason:
        said["error"] = {"code": moderation.error_code, "message": moderation.error_reason}
    return said
