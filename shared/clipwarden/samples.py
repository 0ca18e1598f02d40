"""Sample events: what a receiver is told of each type, marked as a test and about an asset that nobody has."""

import json
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from clipwarden import callback
from clipwarden.moderation import Account, Asset, Kind, Moderation, Placement, Stage, Status
from clipwarden.policy import Policy
from clipwarden.verdict import judge

#: Of everything that a sample is about: no row has it.
NOBODYS = str(UUID(int=0))
_PUBLIC_ID = "clipwarden-test"
_LABEL: dict[str, Any] = {
    "Timestamp": 4000,
    "ModerationLabel": {
        "Confidence": 99.1,
        "Name": "Explicit Nudity",
        "ParentName": "Explicit",
        "TaxonomyLevel": 2,
    },
}


class Sample(StrEnum):
    """Of which type a test is."""

    TEST = "test"  #: Of its own, which tells nothing.
    MODERATION = "moderation"  #: A video was rejected by the rules.
    SUMMARY = "moderation_summary"  #: That, and no human was asked any more.
    DISABLED = "endpoint_disabled"  #: Another endpoint is called no more.


def body(account: Account, sample: Sample, *, by: str, public_url: str, triggered_at: datetime) -> str:
    """Return the JSON text of a test: as an event of its type is told, with ``"test": true`` and who wanted it."""
    made = json.loads(_body(account, sample, by=by, public_url=public_url, triggered_at=triggered_at))
    made["notification_context"]["triggered_by"] = {"source": "api", "id": by}
    return json.dumps({"test": True, **made}, separators=(",", ":"))


def _body(account: Account, sample: Sample, *, by: str, public_url: str, triggered_at: datetime) -> str:
    asset, rejected = _asset(account, triggered_at), _moderation(account, Kind.AWS_REK_VIDEO, triggered_at)
    about: dict[str, Any] = {"public_url": public_url, "triggered_at": triggered_at, "sequence": 1}
    match sample:
        case Sample.TEST:
            return callback.test_body(account, by=by, triggered_at=triggered_at)
        case Sample.MODERATION:
            return callback.moderation_body(account, asset, rejected, [_LABEL], **about)
        case Sample.SUMMARY:
            chain = [rejected, _moderation(account, Kind.MANUAL, triggered_at)]
            return callback.summary_body(account, asset, chain, **about)
        case Sample.DISABLED:
            url = "https://endpoint.example/"
            return callback.disabled_body(account, url, reason="failing", waiting=0, triggered_at=triggered_at)


def _asset(account: Account, now: datetime) -> Asset:
    return Asset(
        id=NOBODYS,
        account_id=account.id,
        public_id=_PUBLIC_ID,
        version=int(now.timestamp()),
        location=None,
        bytes=None,
        etag=None,
        facts=None,
        wanted=Placement.QUARANTINE,
        placed=Placement.QUARANTINE,
        due_at=None,
        fence=0,
        faults=0,
        created_at=now,
        updated_at=now,
    )


def _moderation(account: Account, kind: Kind, now: datetime) -> Moderation:
    """Return a moderation that was decided just now: the rules have rejected, so that no human was asked."""
    by_rules = kind is Kind.AWS_REK_VIDEO
    policy = Policy.parse(str(Kind.AWS_REK_VIDEO), default_taxonomy=account.default_taxonomy)
    nothing = dict.fromkeys(("idempotency_key", "due_at", "pool", "min_confidence", "request_token", "job_id"))
    nothing |= dict.fromkeys(("labels_key", "label_count", "error_code", "error_reason", "started_at", "ended_at"))
    zero = dict.fromkeys(("priority", "fence", "faults", "attempt", "looks", "decisions"), 0)
    values: dict[str, Any] = {**nothing, **zero}
    return Moderation(
        id=NOBODYS,
        account_id=account.id,
        asset_id=NOBODYS,
        kind=kind,
        policy=str(kind),
        source="",
        notification_urls=(),
        stage=Stage.DECIDED,
        status=Status.REJECTED if by_rules else Status.ABORTED,
        model_version="7.0" if by_rules else None,
        verdict=judge([_LABEL], policy, "7.0").to_dict() if by_rules else None,
        decided_by="policy",
        created_at=now,
        updated_at=now,
        decided_at=now,
        **values,
    )
