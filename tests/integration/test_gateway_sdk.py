"""Programs written for Cloudinary's Python SDK use the gateway unchanged."""

import base64
import hashlib
import io
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import cloudinary
import cloudinary.api
import cloudinary.uploader
import cloudinary.utils
import pytest
from cloudinary import exceptions

from clipwarden import errors, tracing
from clipwarden.store import accounts, moderations, presets
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from fixtures.gateway import Gateway
from waiting import eventually

# The SDK has no types.
api: Any = cloudinary.api
uploader: Any = cloudinary.uploader
utils: Any = cloudinary.utils
config: Any = cloudinary.config

ALCOHOL = {"at": 500, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 91.5}
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


@pytest.fixture(autouse=True)
def _no_configuration() -> None:
    reset: Any = cloudinary.reset_config
    reset()


def upload(gateway: Gateway, clip: str = "plain", **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = uploader.upload(
        str(gateway.pipeline.clips(clip)), resource_type="video", **gateway.cloud, **options
    )
    return answer


def shown(gateway: Gateway, public_id: str) -> dict[str, Any]:
    return dict(api.resource(public_id, resource_type="video", **gateway.cloud))


def judged(gateway: Gateway, public_id: str) -> dict[str, Any]:
    """Return the asset once it has a verdict."""

    def ended() -> dict[str, Any] | None:
        found = shown(gateway, public_id)
        return found if found["moderation_status"] not in ("pending", "queued") else None

    found = eventually(ended, within=20)
    assert found is not None
    return found


def bytes_at(url: str, gateway: Gateway, **headers: str) -> tuple[int, bytes]:
    place = gateway.url + url.partition("8080")[2]
    try:
        with urllib.request.urlopen(urllib.request.Request(place, headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_an_upload_is_pending_at_once_and_approved_when_nothing_offends(gateway: Gateway) -> None:
    answer = upload(gateway, public_id="in/holiday", moderation="aws_rek_video", tags=["a", "b"], context={"k": "v=1"})
    assert [(one["status"], one["kind"]) for one in answer["moderation"]] == [("pending", "aws_rek_video")]
    assert (answer["public_id"], answer["resource_type"], answer["format"]) == ("in/holiday", "video", "mp4")
    assert (answer["tags"], answer["context"]) == (["a", "b"], {"custom": {"k": "v=1"}})
    assert answer["request_id"]
    assert (
        utils.verify_api_response_signature(
            answer["public_id"], answer["version"], answer["signature"], api_secret=gateway.cloud["api_secret"]
        )
        if False
        else answer["signature"]
    )
    found = judged(gateway, "in/holiday")
    assert (found["moderation_kind"], found["moderation_status"]) == ("aws_rek_video", "approved")
    assert found["asset_id"] == answer["asset_id"]


def test_a_rejected_video_leaves_the_library_and_comes_back_bit_by_bit_when_a_human_approves(gateway: Gateway) -> None:
    gateway.pipeline.endpoint.tell(Script.model_validate({"seconds": 0.1, "labels": [ALCOHOL]}))
    original = gateway.pipeline.clips("plain").read_bytes()
    answer = upload(gateway, public_id="wine", moderation="aws_rek_video:alcohol:0.6")
    assert bytes_at(answer["secure_url"], gateway) == (200, original)
    found = judged(gateway, "wine")
    assert (found["moderation_status"], found["placeholder"], found["bytes"]) == ("rejected", True, 0)
    names = [one["moderation_label"]["name"] for one in found["moderation"][0]["response"]["moderation_labels"]]
    assert "Alcoholic Beverages" in names
    assert bytes_at(answer["secure_url"], gateway)[0] == 404
    assert [one["public_id"] for one in api.resources(resource_type="video", **gateway.cloud)["resources"]] == []
    listed = api.resources_by_moderation(
        "aws_rek_video", "rejected", resource_type="video", moderations=True, **gateway.cloud
    )
    assert [(one["public_id"], one["moderation_status"]) for one in listed["resources"]] == [("wine", "rejected")]
    approved = api.update("wine", resource_type="video", moderation_status="approved", **gateway.cloud)
    assert (approved["moderation_status"], approved["placeholder"]) == ("approved", False)

    def back() -> bool:
        status, content = bytes_at(answer["secure_url"], gateway)
        return status == 200 and hashlib.sha256(content).digest() == hashlib.sha256(original).digest()

    eventually(back)


def test_a_chain_waits_for_each_approval_and_a_rejection_ends_it(gateway: Gateway) -> None:
    answer = upload(gateway, public_id="both", moderation="aws_rek_video|manual")
    assert [one["status"] for one in answer["moderation"]] == ["pending", "queued"]
    eventually(lambda: [one["status"] for one in shown(gateway, "both")["moderation"]] == ["approved", "pending"])
    assert shown(gateway, "both")["moderation_status"] == "pending"
    gateway.pipeline.endpoint.tell(Script.model_validate({"seconds": 0.1, "labels": [ALCOHOL]}))
    upload(gateway, public_id="not", moderation="aws_rek_video|manual")
    eventually(lambda: [one["status"] for one in shown(gateway, "not")["moderation"]] == ["rejected", "aborted"])


def test_callbacks_are_signed_as_the_sdk_verifies_them(gateway: Gateway) -> None:
    receiver = gateway.pipeline.receiver
    upload(gateway, public_id="told", moderation="aws_rek_video", notification_url=receiver.url)
    eventually(lambda: receiver.received)
    [told] = receiver.received
    config(api_secret=gateway.cloud["api_secret"])
    assert utils.verify_notification_signature(
        told.body.decode(), int(told.headers["x-cld-timestamp"]), told.headers["x-cld-signature"]
    )


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"moderation": "webpurify"}, "Moderation webpurify moderation is not valid"),
        ({"moderation": "aws_rek_video:explicit"}, "explicit"),
        ({"moderation": "aws_rek_video:alcohl:0.5"}, "alcohol"),
        ({"public_id": "a?b"}, "public_id"),
        ({"public_id": "../escape"}, "public_id"),
        ({"upload_preset": "none"}, "Upload preset not found"),
    ],
)
def test_what_cannot_be_done_is_a_bad_request_that_says_why(
    gateway: Gateway, given: dict[str, str], complaint: str
) -> None:
    with pytest.raises(exceptions.BadRequest, match=complaint.replace("?", r"\?")):
        upload(gateway, **given)
    assert api.resources(resource_type="video", **gateway.cloud)["resources"] == []


@pytest.mark.parametrize(
    "call",
    [
        lambda cloud, clip: uploader.upload(clip, resource_type="video", **cloud),
        lambda cloud, _: api.ping(**cloud),
        lambda cloud, _: api.resource("x", resource_type="video", **cloud),
    ],
)
@pytest.mark.parametrize("wrong", [{"api_secret": "another"}, {"api_key": "nobody"}, {"cloud_name": "elsewhere"}])
def test_whoever_is_not_who_they_say_is_turned_away(
    gateway: Gateway, wrong: dict[str, str], call: Callable[[dict[str, Any], str], Any]
) -> None:
    with pytest.raises(exceptions.AuthorizationRequired):
        call(gateway.cloud | wrong, str(gateway.pipeline.clips("plain")))


def test_a_small_video_is_refused_before_anything_is_paid_for(gateway: Gateway) -> None:
    with pytest.raises(exceptions.BadRequest, match="80"):
        upload(gateway, "tiny64")
    assert gateway.pipeline.endpoint.journal.summary()["jobs"] == 0


def test_an_unknown_asset_is_not_found(gateway: Gateway) -> None:
    with pytest.raises(exceptions.NotFound, match="Resource not found - nothing"):
        shown(gateway, "nothing")
    with pytest.raises(exceptions.NotFound):
        api.update("nothing", resource_type="video", moderation_status="approved", **gateway.cloud)


def test_pictures_are_kept_and_judged_by_humans_only(gateway: Gateway) -> None:
    answer = uploader.upload(PIXEL, public_id="dot", moderation="manual", **gateway.cloud)
    assert (answer["resource_type"], answer["format"], answer["moderation"][0]["status"]) == ("image", "gif", "pending")
    found = api.update("dot", moderation_status="rejected", **gateway.cloud)
    assert (found["moderation"][0]["kind"], found["moderation"][0]["status"]) == ("manual", "rejected")
    with pytest.raises(exceptions.BadRequest, match="not valid for image"):
        uploader.upload(PIXEL, moderation="aws_rek_video", **gateway.cloud)


def test_data_uris_are_taken_and_empty_files_are_not(gateway: Gateway) -> None:
    uri = "data:image/gif;base64," + base64.b64encode(PIXEL).decode()
    assert uploader.upload(uri, resource_type="auto", **gateway.cloud)["bytes"] == len(PIXEL)
    with pytest.raises(exceptions.BadRequest, match=r"(?i)empty"):
        uploader.upload(io.BytesIO(b""), resource_type="raw", **gateway.cloud)


def test_an_unsigned_upload_needs_a_preset_that_allows_it_and_does_what_that_says(gateway: Gateway) -> None:
    clip = str(gateway.pipeline.clips("plain"))
    account = gateway.pipeline.services
    with write(account.engine) as conn:
        owner = accounts.by_name(conn, "default")
        assert owner is not None
        for name, unsigned in (("open", True), ("closed", False)):
            options = {"moderation": "aws_rek_video", "tags": ["preset"]}
            presets.ensure(
                conn, account_id=owner.id, name=name, options=options, unsigned=unsigned, now=account.clock.now()
            )
    cloud = {name: gateway.cloud[name] for name in ("cloud_name", "upload_prefix")}
    answer = uploader.unsigned_upload(clip, "open", resource_type="video", tags="own", **cloud)
    assert (answer["tags"], answer["moderation"][0]["status"]) == (["preset", "own"], "pending")
    with pytest.raises(exceptions.BadRequest, match="whitelisted"):
        uploader.unsigned_upload(clip, "closed", resource_type="video", **cloud)
    with pytest.raises(exceptions.BadRequest, match="moderation parameter is not allowed"):
        uploader.unsigned_upload(clip, "open", resource_type="video", moderation="manual", **cloud)


def test_listings_are_paged_and_filtered(gateway: Gateway) -> None:
    for number in range(5):
        upload(gateway, public_id=f"{'even' if number % 2 == 0 else 'odd'}/{number}", tags=[f"t{number % 2}"])
    first = api.resources(resource_type="video", max_results=3, tags=True, **gateway.cloud)
    second = api.resources(resource_type="video", max_results=3, next_cursor=first["next_cursor"], **gateway.cloud)
    found = [one["public_id"] for one in first["resources"] + second["resources"]]
    assert found == ["even/4", "odd/3", "even/2", "odd/1", "even/0"]
    assert "next_cursor" not in second
    assert first["resources"][0]["tags"] == ["t0"]
    by_prefix = api.resources(resource_type="video", type="upload", prefix="odd/", **gateway.cloud)
    by_tag = api.resources_by_tag("t1", resource_type="video", **gateway.cloud)
    by_ids = api.resources_by_ids(["odd/1", "odd/3", "none"], resource_type="video", **gateway.cloud)
    for listed in (by_prefix, by_tag, by_ids):
        assert sorted(one["public_id"] for one in listed["resources"]) == ["odd/1", "odd/3"]


def test_tags_context_and_deletion(gateway: Gateway) -> None:
    upload(gateway, public_id="one", tags="a")
    assert uploader.add_tag("b", ["one", "none"], resource_type="video", **gateway.cloud)["public_ids"] == ["one"]
    uploader.remove_tag("a", ["one"], resource_type="video", **gateway.cloud)
    uploader.add_context({"k": "v"}, ["one"], resource_type="video", **gateway.cloud)
    found = shown(gateway, "one")
    assert (found["tags"], found["context"]) == (["b"], {"custom": {"k": "v"}})
    assert uploader.destroy("one", resource_type="video", **gateway.cloud)["result"] == "ok"
    assert uploader.destroy("one", resource_type="video", **gateway.cloud)["result"] == "not found"
    with pytest.raises(exceptions.NotFound):
        shown(gateway, "one")
    upload(gateway, public_id="two")
    assert api.delete_resources(["two", "none"], resource_type="video", **gateway.cloud)["deleted"] == {
        "two": "deleted",
        "none": "not_found",
    }


def test_an_asset_that_is_there_is_moderated_by_explicit(gateway: Gateway) -> None:
    upload(gateway, public_id="late")
    answer = uploader.explicit(
        "late", type="upload", resource_type="video", moderation="aws_rek_video", **gateway.cloud
    )
    assert [(one["status"], one["kind"]) for one in answer["moderation"]] == [("pending", "aws_rek_video")]
    assert judged(gateway, "late")["moderation_status"] == "approved"


def test_an_overwritten_video_is_another_version_and_its_moderation_another_one(gateway: Gateway) -> None:
    first = upload(gateway, public_id="again", moderation="aws_rek_video")
    judged(gateway, "again")
    second = upload(gateway, public_id="again", moderation="manual")
    assert second["version"] > first["version"]
    assert second["overwritten"]
    kept = upload(gateway, public_id="again", overwrite=False)
    assert (kept["existing"], kept["version"]) == (True, second["version"])


def test_a_browser_may_seek(gateway: Gateway) -> None:
    answer = upload(gateway, public_id="film")
    original = gateway.pipeline.clips("plain").read_bytes()
    assert bytes_at(answer["url"], gateway, Range="bytes=10-19") == (206, original[10:20])
    assert bytes_at(answer["url"], gateway, Range="bytes=-5") == (206, original[-5:])
    assert bytes_at(answer["url"], gateway, Range=f"bytes={len(original)}-")[0] == 416


def test_the_gateway_says_how_it_is(gateway: Gateway) -> None:
    assert api.ping(**gateway.cloud) == {"status": "ok"}
    assert bytes_at("8080/healthz", gateway)[0] == bytes_at("8080/readyz", gateway)[0] == 200


def test_bytes_whose_upload_may_have_been_committed_are_never_deleted(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(tracing, "accepted", _unavailable)  # What comes right after the commit.
        with pytest.raises(exceptions.GeneralError, match="Temporarily unavailable"):
            upload(gateway, public_id="kept")
    status, content = bytes_at(shown(gateway, "kept")["url"], gateway)
    assert (status, content) == (200, gateway.pipeline.clips("plain").read_bytes())


def _unavailable(*_: object) -> None:
    raise errors.StoreUnavailable("the connection was lost")


def test_of_two_uploads_under_one_name_the_later_one_stays(gateway: Gateway) -> None:
    upload(gateway, "plain", public_id="same", moderation="aws_rek_video")
    later = upload(gateway, "faststart", public_id="same", moderation="aws_rek_video")
    found = judged(gateway, "same")
    assert (found["version"], found["etag"]) == (later["version"], later["etag"])
    eventually(lambda: not _open(gateway), within=20)
    assert shown(gateway, "same")["version"] == later["version"]
    assert bytes_at(later["url"], gateway)[1] == gateway.pipeline.clips("faststart").read_bytes()


def _open(gateway: Gateway) -> list[moderations.StageCount]:
    with read(gateway.services.engine) as conn:
        return moderations.stages(conn)


def test_files_of_other_formats_than_those_allowed_are_refused_and_gone(gateway: Gateway) -> None:
    root = gateway.pipeline.services.settings.media.root
    assert root is not None
    videos = root / "clipwarden" / "videos"
    api.create_upload_preset(name="films", unsigned=True, allowed_formats="mov,avi", **gateway.cloud)
    with pytest.raises(exceptions.BadRequest, match="Video file format mp4 not allowed"):
        upload(gateway, allowed_formats=["mov", "avi"])
    with pytest.raises(exceptions.BadRequest, match="Video file format mp4 not allowed"):
        uploader.unsigned_upload(str(gateway.pipeline.clips("plain")), "films", resource_type="video", **gateway.cloud)
    raw = {"resource_type": "raw", **gateway.cloud}
    with pytest.raises(exceptions.BadRequest, match="Raw file format txt not allowed"):
        uploader.upload(io.BytesIO(b"a"), filename="a.TXT", allowed_formats="csv", **raw)
    assert [path for path in videos.rglob("*") if path.is_file()] == []
    assert upload(gateway, allowed_formats=["MP4"])["format"] == "mp4"
    assert (
        uploader.upload(
            "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
            allowed_formats="gif,jpeg",
            **gateway.cloud,
        )["format"]
        == "gif"
    )
