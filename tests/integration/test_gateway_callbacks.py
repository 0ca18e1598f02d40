"""What an uploader's notification URL is told, from the upload to the end of a chain."""

from collections.abc import Iterator
from typing import Any

import cloudinary.api
import cloudinary.uploader
import pytest
from standardwebhooks import Webhook

from clipwarden.store import accounts
from clipwarden.store.engine import read
from fixtures.gateway import Gateway
from waiting import eventually

upload: Any = cloudinary.uploader.upload
update: Any = cloudinary.api.update
create_trigger: Any = cloudinary.api.create_trigger


@pytest.fixture(autouse=True)
def _no_configuration() -> Iterator[None]:
    reset: Any = cloudinary.reset_config
    reset()
    yield
    reset()


def told(gateway: Gateway, count: int) -> list[dict[str, Any]]:
    """Return what the receiver was told, once it is so much."""
    received = gateway.pipeline.receiver
    eventually(lambda: len(received.received) >= count, within=30)
    assert all(call.verified for call in received.received)
    return [call.payload for call in received.received]


def send(gateway: Gateway, **options: Any) -> dict[str, Any]:
    named = {"notification_url": gateway.pipeline.receiver.url, "resource_type": "video"}
    answer: dict[str, Any] = upload(str(gateway.pipeline.clips("plain")), **(named | gateway.cloud | options))
    return answer


def test_the_upload_is_told_before_its_verdict(gateway: Gateway) -> None:
    answer = send(gateway, public_id="a", moderation="aws_rek_video", tags="x")
    first, second = told(gateway, 2)
    assert list(first)[:3] == ["notification_type", "timestamp", "request_id"]
    assert (first["notification_type"], second["notification_type"]) == ("upload", "moderation")
    same = {"asset_id", "public_id", "version", "bytes", "etag", "secure_url", "tags", "moderation"}
    assert {name: first[name] for name in same} == {name: answer[name] for name in same}
    assert not {"signature", "api_key"} & first.keys()
    assert first["payload_version"] == second["payload_version"] == 1


def test_an_upload_that_nobody_judges_is_told_too(gateway: Gateway) -> None:
    send(gateway, public_id="a")
    (only,) = told(gateway, 1)
    assert (only["notification_type"], "moderation" in only) == ("upload", False)


def test_a_chain_ends_with_a_summary(gateway: Gateway) -> None:
    send(gateway, public_id="a", moderation="aws_rek_video|manual")
    told(gateway, 2)
    update("a", resource_type="video", moderation_status="rejected", **gateway.cloud)
    found = {one["notification_type"]: one for one in told(gateway, 4)}
    summary = found["moderation_summary"]
    assert summary["moderation_status"] == "rejected"
    assert [(one["kind"], one["status"]) for one in summary["moderation"]] == [
        ("aws_rek_video", "approved"),
        ("manual", "rejected"),
    ]
    assert summary["moderation_sequence"] == 2


def test_triggers_are_told_unless_the_upload_names_a_url(gateway: Gateway) -> None:
    create_trigger(uri=gateway.pipeline.receiver.url + "/trigger", event_type="moderation", **gateway.cloud)
    send(gateway, public_id="a", moderation="aws_rek_video")
    told(gateway, 2)
    send(gateway, public_id="b", moderation="aws_rek_video", notification_url=None)
    told(gateway, 3)
    calls = gateway.pipeline.receiver.received
    assert sorted((call.path, call.payload["notification_type"], call.payload["public_id"]) for call in calls) == [
        ("/callbacks", "moderation", "a"),
        ("/callbacks", "upload", "a"),
        ("/callbacks/trigger", "moderation", "b"),
    ]
    with read(gateway.services.engine) as conn:
        account = accounts.by_name(conn, "default")
    assert account is not None
    assert all(Webhook(account.webhook_secret or "").verify(call.body, dict(call.headers)) for call in calls)
