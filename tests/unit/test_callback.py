"""What a callback says."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks import DECIDED_AT, KEY, UPLOADED_AT, VERSION, account, asset, label, moderation
from clipwarden import callback
from clipwarden.moderation import Asset, Kind, Moderation, Status
from clipwarden.signature import verify
from clipwarden.version import VERSION as RELEASE


def body_of(moderation: Moderation, labels: list[dict[str, Any]], *, of: Asset | None = None) -> str:
    return callback.moderation_body(
        account(), of or asset(), moderation, labels, public_url="https://media.example/", triggered_at=DECIDED_AT
    )


def test_says_everything_that_a_cloudinary_receiver_reads() -> None:
    url = f"https://media.example/demo/video/upload/v{VERSION}/holiday/hot%20tub.mp4"
    assert json.loads(body_of(moderation(), [label()])) == {
        "moderation_response": {
            "moderation_labels": [
                {
                    "timestamp": 4000,
                    "moderation_label": {
                        "confidence": 99.1,
                        "name": "Explicit Nudity",
                        "parent_name": "Explicit",
                        "taxonomy_level": 2,
                    },
                }
            ],
            "moderation_model_version": "7.0",
        },
        "moderation_status": "approved",
        "moderation_kind": "aws_rek_video",
        "moderation_updated_at": "2026-11-20T12:00:01Z",
        "moderation_id": "018f0000-0000-7000-8000-000000000003",
        "moderation_reasons": [
            {
                "label": "Explicit Nudity",
                "path": ["Explicit", "Explicit Nudity"],
                "confidence": 99.1,
                "threshold": 0.5,
                "timestamp_ms": 4000,
                "first_ms": 4000,
                "count": 1,
                "origin": "default",
                "source": None,
            }
        ],
        "asset_id": "018f0000000070008000000000000002",
        "public_id": "holiday/hot tub",
        "uploaded_at": "2026-11-20T11:59:00Z",
        "version": VERSION,
        "url": url,
        "secure_url": url,
        "etag": "bf91c2c4d41d8cd98f00b204e9800998",
        "resource_type": "video",
        "type": "upload",
        "notification_type": "moderation",
        "notification_context": {
            "triggered_at": "2026-11-20T12:00:01Z",
            "triggered_by": {"source": "policy", "id": "018f0000-0000-7000-8000-000000000003"},
        },
        "signature_key": "123456789012345",
        "moderation_sequence": 1,
        "payload_version": 1,
    }


def test_a_rejected_video_has_no_etag() -> None:
    assert json.loads(body_of(moderation(status=Status.REJECTED), []))["etag"] is None


def test_an_aborted_moderation_says_what_failed() -> None:
    aborted = moderation(
        status=Status.ABORTED, verdict=None, error_code="media_refused", error_reason="the video is 64x64"
    )
    body = json.loads(body_of(aborted, []))
    assert body["moderation_error"] == {"code": "media_refused", "message": "the video is 64x64"}
    assert body["moderation_reasons"] == []
    assert "moderation_error" not in json.loads(body_of(moderation(), []))


def test_a_human_decision_names_the_human() -> None:
    body = json.loads(body_of(moderation(kind=Kind.MANUAL, decided_by="human:Ada: L."), []))
    assert body["notification_context"]["triggered_by"] == {"source": "human", "id": "Ada: L."}
    assert body["moderation_kind"] == "manual"


def test_the_first_thousand_labels_are_shown_in_their_order() -> None:
    shown = json.loads(body_of(moderation(), [label(timestamp=at) for at in range(1001)]))
    stamps = [entry["timestamp"] for entry in shown["moderation_response"]["moderation_labels"]]
    assert stamps == list(range(1000))


def test_a_label_shows_no_taxonomy_level_where_the_model_gave_none() -> None:
    old = {"Timestamp": 0, "ModerationLabel": {"Confidence": 51.0, "Name": "Suggestive", "ParentName": ""}}
    entry = json.loads(body_of(moderation(), [old]))["moderation_response"]["moderation_labels"][0]
    assert entry["moderation_label"] == {"confidence": 51.0, "name": "Suggestive", "parent_name": ""}


def test_json_is_compact() -> None:
    body = body_of(moderation(), [label()])
    assert body == json.dumps(json.loads(body), separators=(",", ":"))


@pytest.mark.parametrize("moment", [DECIDED_AT.astimezone(), DECIDED_AT + timedelta(microseconds=999_999)])
def test_moments_are_whole_seconds_in_utc(moment: datetime) -> None:
    assert json.loads(body_of(moderation(decided_at=moment), []))["moderation_updated_at"] == "2026-11-20T12:00:01Z"


@given(public_id=st.text(min_size=1, max_size=40))
def test_any_name_is_carried_unchanged_and_makes_an_ascii_url(public_id: str) -> None:
    body = body_of(moderation(), [], of=asset(public_id=public_id))
    said = json.loads(body)
    assert body.isascii()
    assert said["public_id"] == public_id
    assert said["url"].isascii()
    assert not set(said["url"].removeprefix("https://media.example/")) & set(' ?#%\\"<>') - {"%"}


def test_headers_sign_the_body_anew_for_each_attempt_under_one_id() -> None:
    tenant = account(signature_algorithm="sha256", api_secret="s3cret")
    first = callback.headers("{}", "d-1", tenant, [KEY], UPLOADED_AT)
    again = callback.headers("{}", "d-1", tenant, [KEY], UPLOADED_AT + timedelta(minutes=5))
    assert first["webhook-id"] == again["webhook-id"] == "d-1"
    assert int(again["X-Cld-Timestamp"]) - int(first["X-Cld-Timestamp"]) == 300
    for sent in (first, again):
        stamp = sent["X-Cld-Timestamp"]
        assert sent["webhook-timestamp"] == stamp
        assert verify("{}", stamp, sent["X-Cld-Signature"], "s3cret", "sha256", now=int(stamp))
    assert first["Content-Type"] == "application/json"
    assert first["User-Agent"] == f"clipwarden/{RELEASE}"


def test_a_verdict_on_bytes_that_were_replaced_meanwhile_names_the_version_that_was_judged() -> None:
    said = json.loads(body_of(moderation(asset_version=VERSION), [], of=asset(version=VERSION + 60)))
    assert said["version"] == VERSION
    assert f"/v{VERSION}/" in said["url"]
    assert said["etag"] is None
    assert json.loads(body_of(moderation(asset_version=VERSION), []))["etag"] == asset().etag


def test_the_version_is_when_the_bytes_came_in() -> None:
    said = json.loads(body_of(moderation(), []))
    assert datetime.fromisoformat(said["uploaded_at"]) == datetime.fromtimestamp(said["version"], UTC)
