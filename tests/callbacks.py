"""An account, an asset and a moderation to tell of, for tests."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from clipwarden.moderation import Account, Asset, Kind, Moderation, Stage, Status
from clipwarden.policy import Policy
from clipwarden.verdict import judge

DECIDED_AT = datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC)
UPLOADED_AT = datetime(2026, 11, 20, 11, 59, 0, tzinfo=UTC)
#: A secret of Standard Webhooks.
KEY = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
VERSION = int(UPLOADED_AT.timestamp())


def account(**changes: Any) -> Account:
    values: dict[str, Any] = {
        "id": "018f0000-0000-7000-8000-000000000001",
        "name": "demo",
        "api_key": "123456789012345",
        "api_secret": "abcd",
        "created_at": UPLOADED_AT,
    }
    return Account(**(values | changes))


def asset(**changes: Any) -> Asset:
    values: dict[str, Any] = _nothing(Asset) | {
        "id": "018f0000-0000-7000-8000-000000000002",
        "public_id": "holiday/hot tub",
        "version": VERSION,
        "bytes": 4_196_970,
        "etag": "bf91c2c4d41d8cd98f00b204e9800998",
    }
    return Asset(**(values | changes))


def moderation(**changes: Any) -> Moderation:
    values: dict[str, Any] = _nothing(Moderation) | {
        "id": "018f0000-0000-7000-8000-000000000003",
        "kind": Kind.AWS_REK_VIDEO,
        "stage": Stage.DECIDED,
        "status": Status.APPROVED,
        "model_version": "7.0",
        "verdict": judge([label()], Policy.parse("aws_rek_video", default_taxonomy="6.1"), "7.0").to_dict(),
        "decided_by": "policy",
        "updated_at": DECIDED_AT,
        "decided_at": DECIDED_AT,
    }
    return Moderation(**(values | changes))


def label(confidence: float = 99.1, name: str = "Explicit Nudity", timestamp: int = 4000) -> dict[str, Any]:
    """Return a label as Rekognition reports it."""
    return {
        "Timestamp": timestamp,
        "ModerationLabel": {"Confidence": confidence, "Name": name, "ParentName": "Explicit", "TaxonomyLevel": 2},
        "StartTimestampMillis": timestamp,
    }


def _nothing(kind: type) -> dict[str, Any]:
    return dict.fromkeys(field.name for field in fields(kind))
