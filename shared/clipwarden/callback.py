"""What a callback says and the headers it carries; nothing is sent from here.

The bodies have the keys of Cloudinary's notifications, and beside them ``payload_version``; a moderation's further
``moderation_id``, ``moderation_sequence``, ``moderation_reasons`` and, where they apply, ``moderation_labels_of``,
``moderation_retries`` and ``moderation_error``.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from clipwarden import webhooks
from clipwarden.moderation import BY_POLICY, Account, Asset, Moderation, Status
from clipwarden.signature import sign
from clipwarden.verdict import SHOWN_LABELS
from clipwarden.version import USER_AGENT

#: Of all bodies; grows when a key changes its meaning or goes, not when one is added.
PAYLOAD_VERSION = 1

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
    sequence: int = 1,
) -> str:
    """Return the JSON text that tells a receiver how a moderation was decided.

    ``labels`` are Rekognition's (``{"Timestamp": ms, "ModerationLabel": {...}}``), of which the first 1000 are shown;
    ``public_url`` is the base of the URLs under which videos are delivered; ``sequence`` counts the decisions about the
    asset.
    """
    version = moderation.asset_version or asset.version
    body: dict[str, Any] = {
        "moderation_response": {
            "moderation_labels": [label(one) for one in itertools.islice(labels, SHOWN_LABELS)],
            "moderation_model_version": moderation.model_version,
        },
        "moderation_status": str(moderation.status),
        "moderation_kind": str(moderation.kind),
        "moderation_updated_at": _instant(moderation.decided_at or moderation.updated_at),
        "moderation_id": moderation.id,
        "moderation_sequence": sequence,
        "moderation_reasons": (moderation.verdict or {}).get("reasons", []),
        **_about(account, asset, version, public_url, hidden=moderation.status is Status.REJECTED),
        "notification_type": "moderation",
        "notification_context": {"triggered_at": _instant(triggered_at), "triggered_by": _trigger(moderation)},
        "signature_key": account.api_key,
        "payload_version": PAYLOAD_VERSION,
    }
    if moderation.labels_of is not None:
        body["moderation_labels_of"] = moderation.labels_of
    if moderation.retries:
        body["moderation_retries"] = moderation.retries
    if moderation.status is Status.ABORTED:
        body["moderation_error"] = {"code": moderation.error_code, "message": moderation.error_reason}
    return _compact(body)


def summary_body(
    account: Account,
    asset: Asset,
    chain: Sequence[Moderation],
    *,
    public_url: str,
    triggered_at: datetime,
    sequence: int,
) -> str:
    """Return the JSON text that tells how all moderations of one request ended."""
    status = overall([one.status for one in chain])
    last = max(chain, key=lambda one: one.decided_at or one.updated_at)
    version = last.asset_version or asset.version
    return _compact(
        {
            "moderation_status": str(status),
            "moderation_updated_at": _instant(last.decided_at or last.updated_at),
            "moderation": [{"kind": str(one.kind), "status": str(one.status), "id": one.id} for one in chain],
            "moderation_sequence": sequence,
            **_about(account, asset, version, public_url, hidden=status is Status.REJECTED),
            "notification_type": "moderation_summary",
            "notification_context": {"triggered_at": _instant(triggered_at), "triggered_by": _trigger(last)},
            "signature_key": account.api_key,
            "payload_version": PAYLOAD_VERSION,
        }
    )


def upload_body(account: Account, response: Mapping[str, Any], *, request_id: str, triggered_at: datetime) -> str:
    """Return the JSON text that tells of an upload: what its caller was answered, and when."""
    context = {"triggered_at": _instant(triggered_at), "triggered_by": {"source": "api", "id": account.api_key}}
    told = {
        "notification_type": "upload",
        "timestamp": triggered_at.astimezone(UTC).isoformat(timespec="seconds"),
        "request_id": request_id,
        # What only the caller's own check of the answer needs.
        **{name: value for name, value in response.items() if name not in {"signature", "api_key"}},
        "notification_context": context,
        "signature_key": account.api_key,
        "payload_version": PAYLOAD_VERSION,
    }
    return _compact(told)


def test_body(account: Account, *, by: str, triggered_at: datetime) -> str:
    """Return the JSON text of a test of a type of its own: who wanted it, and nothing to act upon."""
    return _compact(
        {
            "notification_type": "test",
            "message": "This is a test of this endpoint; nothing has happened.",
            "notification_context": {
                "triggered_at": _instant(triggered_at),
                "triggered_by": {"source": "api", "id": by},
            },
            "signature_key": account.api_key,
            "payload_version": PAYLOAD_VERSION,
        }
    )


def disabled_body(account: Account, endpoint: str, *, reason: str, waiting: int, triggered_at: datetime) -> str:
    """Return the JSON text that tells one endpoint of an account that another one is called no more."""
    return _compact(
        {
            "notification_type": "endpoint_disabled",
            "endpoint": endpoint,
            "reason": reason,
            "deliveries_given_up": waiting,
            "notification_context": {
                "triggered_at": _instant(triggered_at),
                "triggered_by": {"source": "clipwarden", "id": account.name},
            },
            "signature_key": account.api_key,
            "payload_version": PAYLOAD_VERSION,
        }
    )


def overall(statuses: Iterable[Status]) -> Status:
    """Return what several moderations of one asset come to: one that was not approved decides."""
    found = set(statuses)
    order = (Status.REJECTED, Status.ABORTED, Status.PENDING, Status.QUEUED)
    return next((status for status in order if status in found), Status.APPROVED)


def headers(body: str, delivery_id: str, account: Account, keys: Iterable[str], now: datetime) -> dict[str, str]:
    """Return one attempt's headers: the id is the same over all attempts, timestamp and signatures are new.

    ``keys`` are the secrets of Standard Webhooks: several while one replaces another.
    """
    timestamp = int(now.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-Cld-Timestamp": str(timestamp),
        "X-Cld-Signature": sign(body, timestamp, account.api_secret, account.signature_algorithm),
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": webhooks.sign(body, delivery_id, timestamp, keys),
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


def _about(account: Account, asset: Asset, version: int, public_url: str, *, hidden: bool) -> dict[str, Any]:
    """Return what is said of an asset: its bytes of one version."""
    url = delivery_url(account, asset.public_id, version, public_url=public_url)
    return {
        "asset_id": asset.id.replace("-", ""),
        "public_id": asset.public_id,
        "uploaded_at": _instant(datetime.fromtimestamp(version, UTC)),
        "version": version,
        "url": url,
        "secure_url": url,
        "etag": asset.shown_etag if not hidden and version == asset.version else None,
        "resource_type": "video",
        "type": "upload",
    }


def _compact(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))


def _trigger(moderation: Moderation) -> dict[str, str]:
    """Name who decided: the rules on behalf of this moderation, or a human."""
    source, _, name = (moderation.decided_by or BY_POLICY).partition(":")
    return {"source": source, "id": name or moderation.id}


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
