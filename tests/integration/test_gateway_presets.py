"""Programs keep upload presets through Cloudinary's SDK, and uploads do what they say."""

# mypy: allow-untyped-calls

from typing import Any

import cloudinary
import pytest
from cloudinary import api, exceptions, uploader

from fixtures.gateway import Gateway


@pytest.fixture(autouse=True)
def _no_configuration() -> None:
    cloudinary.reset_config()


def test_a_preset_is_kept_changed_and_forgotten(gateway: Gateway) -> None:
    made = api.create_upload_preset(
        name="site/videos",
        unsigned=True,
        folder="in",
        tags=["a", "b"],
        context={"k": "v|w=x"},
        overwrite=False,
        moderation="aws_rek_video:alcohol:0.6|manual",
        **gateway.cloud,
    )
    assert (made["message"], made["name"]) == ("created", "site/videos")
    found = api.upload_preset("site/videos", **gateway.cloud)
    assert (found["name"], found["unsigned"], found["external_id"]) == ("site/videos", True, made["external_id"])
    settings = {
        "context": {"k": "v|w=x"},
        "folder": "in",
        "moderation": "aws_rek_video:alcohol:0.6|manual",
        "overwrite": False,
        "tags": ["a", "b"],
    }
    assert found["settings"] == settings
    changed = api.update_upload_preset("site/videos", unsigned=False, folder="out", colors=True, **gateway.cloud)
    assert changed["message"] == "updated"
    found = api.upload_preset("site/videos", **gateway.cloud)
    assert (found["unsigned"], found["settings"]) == (False, settings | {"folder": "out", "colors": True})
    assert api.delete_upload_preset("site/videos", **gateway.cloud)["message"] == "deleted"
    for call in (api.upload_preset, api.update_upload_preset, api.delete_upload_preset):
        with pytest.raises(exceptions.NotFound, match="site/videos"):
            call("site/videos", **gateway.cloud)


def test_a_name_is_made_up_where_none_is_given_and_never_taken_twice(gateway: Gateway) -> None:
    names = {api.create_upload_preset(**gateway.cloud)["name"] for _ in range(3)}
    assert len(names) == 3
    with pytest.raises(exceptions.BadRequest, match="already exists"):
        api.create_upload_preset(name=next(iter(names)), **gateway.cloud)


def test_presets_are_listed_page_by_page_newest_first(gateway: Gateway) -> None:
    for number in range(5):
        api.create_upload_preset(name=f"p{number}", **gateway.cloud)
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = api.upload_presets(max_results=2, **cursor, **gateway.cloud)
        found += [one["name"] for one in page["presets"]]
        if "next_cursor" not in page:
            break
        cursor = {"next_cursor": page["next_cursor"]}
    assert found == ["p4", "p3", "p2", "p1", "p0"]
    with pytest.raises(exceptions.BadRequest):
        api.upload_presets(next_cursor="23452342", **gateway.cloud)


@pytest.mark.parametrize(
    "given",
    [
        {"moderation": "webpurify"},
        {"moderation": "aws_rek_video:alcohl:0.5"},
        {"type": "fetch"},
        {"name": "a?b"},
        {"name": "n" * 256},
    ],
)
def test_a_preset_with_which_no_upload_could_succeed_is_refused(gateway: Gateway, given: dict[str, str]) -> None:
    with pytest.raises(exceptions.BadRequest):
        api.create_upload_preset(**given, **gateway.cloud)
    assert api.upload_presets(**gateway.cloud)["presets"] == []
    api.create_upload_preset(name="there", **gateway.cloud)
    if "name" not in given:
        with pytest.raises(exceptions.BadRequest):
            api.update_upload_preset("there", **given, **gateway.cloud)


def test_uploads_do_what_the_preset_says(gateway: Gateway) -> None:
    clip = str(gateway.pipeline.clips("plain"))
    api.create_upload_preset(
        name="open",
        unsigned=True,
        disallow_public_id=True,
        folder="user",
        tags="preset",
        context={"k": "v=w|x"},
        moderation="manual",
        **gateway.cloud,
    )
    cloud = {name: gateway.cloud[name] for name in ("cloud_name", "upload_prefix")}
    answer = uploader.unsigned_upload(clip, "open", resource_type="video", public_id="mine", **cloud)
    assert answer["public_id"].startswith("user/")
    assert "mine" not in answer["public_id"]
    assert (answer["tags"], answer["context"]) == (["preset"], {"custom": {"k": "v=w|x"}})
    assert [(one["status"], one["kind"]) for one in answer["moderation"]] == [("pending", "manual")]


def test_an_account_has_its_own_presets(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    api.create_upload_preset(name="mine", folder="in", **gateway.cloud)
    for call in (api.upload_preset, api.update_upload_preset, api.delete_upload_preset):
        with pytest.raises(exceptions.NotFound):
            call("mine", **neighbour)
    assert api.upload_presets(**neighbour)["presets"] == []
    api.create_upload_preset(name="mine", folder="theirs", **neighbour)
    api.delete_upload_preset("mine", **neighbour)
    assert api.upload_preset("mine", **gateway.cloud)["settings"] == {"folder": "in"}
