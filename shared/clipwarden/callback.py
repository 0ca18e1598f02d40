"""What a callback says and the headers it carries; nothing is sent from here.

The body has the keys of Cloudinary's moderation notification, and beside them ``moderation_id``, ``moderation_reasons``
and, where they apply, ``moderation_labels_of``, ``moderation_retries`` and ``moderation_error``.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from clipwarden.moderation import BY_POLICY, Account, Asset, Moderation, Status
from clipwarden.signature import sign
from clipwarden.verdict import SHOWN_LABELS
from clipwarden.version import USER_AGENT

_LABEL_KEYS = {
    "Confidence": "confidence",
    "Name": "name",
    "ParentName": "parent_name",
    "TaxonomyLevel": "taxonomy_level",
}


def moderation_body(
    account: Account,
    asset: Asset,
    moderation: Moderation,
    labels: Iterable[Mapping[str, Any]],
    *,
    public_url: str,
    triggered_at: datetime,
) -> str:
    """Return the JSON text that tells a receiver how a moderation was decided.

    ``labels`` are Rekognition's (``{"Timestamp": ms, "ModerationLabel": {...}}``), of which the first 1000 are shown;
    ``public_url`` is the base of the URLs under which videos are delivered.
    """
    version = moderation.asset_version or asset.version
    url = delivery_url(account, asset.public_id, version, public_url=public_url)
    tagged = moderation.status is not Status.REJECTED and version == asset.version
    body: dict[str, Any] = {
        "moderation_response": {
            "moderation_labels": [label(one) for one in itertools.islice(labels, SHOWN_LABELS)],
            "moderation_model_version": moderation.model_version,
        },
        "moderation_status": str(moderation.status),
        "moderation_kind": str(moderation.kind),
        "moderation_updated_at": _instant(moderation.decided_at or moderation.updated_at),
        "moderation_id": moderation.id,
        "moderation_reasons": (moderation.verdict or {}).get("reasons", []),
        "asset_id": asset.id.replace("-", ""),
        "public_id": asset.public_id,
        "uploaded_at": _instant(datetime.fromtimestamp(version, UTC)),
        "version": version,
        "url": url,
        "secure_url": url,
        "etag": asset.etag if tagged else None,
        "resource_type": "video",
        "type": "upload",
        "notification_type": "moderation",
        "notification_context": {"triggered_at": _instant(triggered_at), "triggered_by": _trigger(moderation)},
        "signature_key": account.api_key,
    }
    if moderation.labels_of is not None:
        body["moderation_labels_of"] = moderation.labels_of
    if moderation.retries:
        body["moderation_retries"] = moderation.retries
    if moderation.status is Status.ABORTED:
        body["moderation_error"] = {"code": moderation.error_code, "message": moderation.error_reason}
    return json.dumps(body, separators=(",", ":"))


def headers(body: str, delivery_id: str, account: Account, now: datetime) -> dict[str, str]:
    """Return one attempt's headers: the id is the same over all attempts, timestamp and signature are new."""
    timestamp = int(now.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-Cld-Timestamp": str(timestamp),
        "X-Cld-Signature": sign(body, timestamp, account.api_secret, account.signature_algorithm),
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
    }


def delivery_url(account: Account, public_id: str, version: int, *, public_url: str) -> str:
    """Return the URL under which a video is delivered while it is in the library."""
    base = f"{public_url.rstrip('/')}/{quote(account.name, safe='')}"
    return f"{base}/video/upload/v{version}/{quote(public_id, safe='/')}.mp4"


def label(label: Mapping[str, Any]) -> dict[str, Any]:
    """Return one of Rekognition's labels as Cloudinary writes it."""
    found: Mapping[str, Any] = label["ModerationLabel"]
    return {
        "timestamp": label["Timestamp"],
        "moderation_label": {ours: found[theirs] for theirs, ours in _LABEL_KEYS.items() if theirs in found},
    }


def _trigger(moderation: Moderation) -> dict[str, str]:
    """Name who decided: the rules on behalf of this moderation, or a human."""
    source, _, name = (moderation.decided_by or BY_POLICY).partition(":")
    return {"source": source, "id": name or moderation.id}


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
