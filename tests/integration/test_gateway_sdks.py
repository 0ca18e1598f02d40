"""Programs written for Cloudinary's Node SDK, or for an old Python SDK, use the gateway unchanged."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from clipwarden.callback import headers
from clipwarden.store import accounts
from clipwarden.store.engine import read
from clipwarden_local.analysis.scripted import Script
from fixtures.clips import padded
from fixtures.gateway import Gateway
from fixtures.sdks import Sdk, SdkError
from sdk import bytes_at
from waiting import eventually

ALCOHOL = {"at": 500, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 91.5}
KIND = "aws_rek_video"
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def upload(sdk: Sdk, gateway: Gateway, **options: Any) -> dict[str, Any]:
    return dict(sdk("uploader.upload", str(clip(gateway)), resource_type="video", **options))


def clip(gateway: Gateway) -> Path:
    return gateway.pipeline.clips("plain")


def judged(sdk: Sdk, public_id: str) -> dict[str, Any]:
    """Return the asset once it has a verdict."""

    def ended() -> dict[str, Any] | None:
        found = sdk("api.resource", public_id, resource_type="video")
        return found if found["moderation_status"] not in ("pending", "queued") else None

    found = eventually(ended, within=20)
    assert found is not None
    return found


def listed(sdk: Sdk, status: str) -> list[str]:
    answer = sdk("api.resources_by_moderation", KIND, status, resource_type="video")
    return [one["public_id"] for one in answer["resources"]]


def test_a_rejected_video_goes_and_comes_back_as_it_was(sdk: Sdk, gateway: Gateway) -> None:
    gateway.pipeline.endpoint.tell(Script.model_validate({"seconds": 0.1, "labels": [ALCOHOL]}))
    answer = upload(sdk, gateway, public_id="in/wine und Käse", moderation=f"{KIND}:alcohol:0.7", tags=["a", "b"])
    assert [(one["status"], one["kind"]) for one in answer["moderation"]] == [("pending", KIND)]
    assert answer["tags"] == ["a", "b"]
    rejected = judged(sdk, "in/wine und Käse")
    assert (rejected["moderation_status"], rejected["moderation_kind"]) == ("rejected", KIND)
    labels = rejected["moderation"][0]["response"]["moderation_labels"]
    assert labels[0]["moderation_label"]["name"] == "Alcoholic Beverages"
    eventually(lambda: sdk("api.resource", "in/wine und Käse", resource_type="video")["placeholder"])
    assert (listed(sdk, "rejected"), listed(sdk, "approved")) == (["in/wine und Käse"], [])
    assert bytes_at(answer["secure_url"], gateway) is None
    sdk("api.update", "in/wine und Käse", resource_type="video", moderation_status="approved")
    assert listed(sdk, "approved") == ["in/wine und Käse"]
    back = eventually(lambda: bytes_at(answer["secure_url"], gateway), within=10)
    assert back is not None
    assert hashlib.sha256(back).digest() == hashlib.sha256(clip(gateway).read_bytes()).digest()


def test_what_is_approved_can_be_rejected(sdk: Sdk, gateway: Gateway) -> None:
    upload(sdk, gateway, public_id="fine", moderation=KIND)
    assert judged(sdk, "fine")["moderation_status"] == "approved"
    answer = sdk("api.update", "fine", resource_type="video", moderation_status="rejected")
    assert answer["moderation_status"] == "rejected"
    assert listed(sdk, "rejected") == ["fine"]


def test_an_asset_is_moderated_later(sdk: Sdk, gateway: Gateway) -> None:
    upload(sdk, gateway, public_id="later")
    answer = sdk("uploader.explicit", "later", type="upload", resource_type="video", moderation=KIND)
    assert answer["moderation"][0]["status"] == "pending"
    assert judged(sdk, "later")["moderation_status"] == "approved"


def test_a_preset_says_who_judges_unsigned_uploads(sdk: Sdk, gateway: Gateway) -> None:
    assert sdk("api.create_upload_preset", name="open", unsigned=True, moderation=KIND)["message"] == "created"
    assert sdk("api.upload_preset", "open")["settings"]["moderation"] == KIND
    answer = sdk("uploader.unsigned_upload", str(clip(gateway)), "open", resource_type="video", public_id="unsigned")
    assert answer["moderation"][0]["kind"] == KIND
    sdk("api.update_upload_preset", "open", unsigned=False)
    with pytest.raises(SdkError, match="whitelisted"):
        sdk("uploader.unsigned_upload", str(clip(gateway)), "open", resource_type="video")
    assert [one["name"] for one in sdk("api.upload_presets")["presets"]] == ["open"]
    assert sdk("api.delete_upload_preset", "open")["message"] == "deleted"


def test_what_was_deleted_is_restored(sdk: Sdk, gateway: Gateway) -> None:
    answer = upload(sdk, gateway, public_id="kept", backup=True)
    assert sdk("api.delete_resources", ["kept"], resource_type="video")["deleted"] == {"kept": "deleted"}
    assert sdk("api.resource", "kept", resource_type="video")["placeholder"]
    assert sdk("api.restore", ["kept"], resource_type="video")["kept"]["bytes"] == answer["bytes"]
    assert bytes_at(answer["secure_url"], gateway) == clip(gateway).read_bytes()


def test_assets_are_renamed_tagged_and_destroyed(sdk: Sdk, gateway: Gateway) -> None:
    upload(sdk, gateway, public_id="old")
    assert sdk("uploader.rename", "old", "new/name", resource_type="video")["public_id"] == "new/name"
    assert sdk("uploader.add_tag", "x+y", ["new/name"], resource_type="video")["public_ids"] == ["new/name"]
    assert sdk("api.resource", "new/name", resource_type="video")["tags"] == ["x+y"]
    tagged = sdk("api.resources_by_tag", "x+y", resource_type="video")["resources"]
    assert [one["public_id"] for one in tagged] == ["new/name"]
    assert sdk("uploader.destroy", "new/name", resource_type="video") == {"result": "ok"}
    with pytest.raises(SdkError) as caught:
        sdk("api.resource", "new/name", resource_type="video")
    assert (caught.value.status, caught.value.name) in {(404, ""), (None, "NotFound")}


def test_a_large_video_comes_in_chunks(sdk: Sdk, gateway: Gateway, tmp_path: Path) -> None:
    content = clip(gateway).read_bytes()
    filling = bytes(12 * 1024**2)
    large = tmp_path / "large.mp4"
    large.write_bytes(padded(content, filling))
    options = {"public_id": "large", "folder": "in", "moderation": KIND, "chunk_size": 6 * 1024**2}
    answer = sdk("uploader.upload_large", str(large), resource_type="video", **options)
    assert (answer["public_id"], answer["bytes"], answer["done"]) == ("in/large", large.stat().st_size, True)
    assert answer["moderation"][0]["kind"] == KIND
    assert bytes_at(answer["secure_url"], gateway) == large.read_bytes()


def test_a_data_uri_is_a_file(sdk: Sdk) -> None:
    uri = f"data:image/gif;base64,{base64.b64encode(PIXEL).decode()}"
    answer = sdk("uploader.upload", uri, public_id="pixel", moderation="manual")
    assert (answer["format"], answer["bytes"], answer["moderation"][0]["status"]) == ("gif", len(PIXEL), "pending")


def test_only_newer_sdks_sign_ampersands(sdk: Sdk, gateway: Gateway) -> None:
    if sdk.language == "node":
        assert upload(sdk, gateway, public_id="a", tags=["x&y=z"])["tags"] == ["x&y=z"]
    else:
        # The old way of signing cannot tell such a value from further parameters.
        with pytest.raises(SdkError, match="Invalid Signature"):
            upload(sdk, gateway, public_id="a", tags=["x&y=z"])


def test_refusals_reach_the_program(sdk: Sdk, gateway: Gateway) -> None:
    with pytest.raises(SdkError, match="1\\.5") as caught:
        upload(sdk, gateway, moderation=f"{KIND}:alcohol:1.5")
    assert (caught.value.status, caught.value.name) in {(400, "Error"), (None, "Error"), (None, "BadRequest")}
    with pytest.raises(SdkError, match="Moderation nobody moderation is not valid"):
        upload(sdk, gateway, moderation="nobody")
    with pytest.raises(SdkError, match=r"80"):
        sdk("uploader.upload", str(gateway.pipeline.clips("tiny64")), resource_type="video", moderation=KIND)


def test_callbacks_are_verified_by_the_sdk(sdk: Sdk, gateway: Gateway) -> None:
    with read(gateway.services.engine) as conn:
        account = accounts.by_name(conn, "default")
    assert account is not None
    body = '{"notification_type":"moderation","public_id":"é"}'
    sent = headers(body, "id", account, [account.webhook_secret or ""], gateway.services.clock.now())
    name = "verifyNotificationSignature" if sdk.language == "node" else "verify_notification_signature"
    stamp, signature = int(sent["X-Cld-Timestamp"]), sent["X-Cld-Signature"]
    assert sdk.bare(f"utils.{name}", body, stamp, signature) is True
    assert sdk.bare(f"utils.{name}", body + " ", stamp, signature) is False
