"""Assets get other names through Cloudinary's SDK, and keep all else."""

# mypy: allow-untyped-calls

from typing import Any

import cloudinary
import pytest
from cloudinary import api, exceptions, uploader

from fixtures.gateway import Gateway
from sdk import VIDEO, bytes_at, shown, upload


@pytest.fixture(autouse=True)
def _no_configuration() -> None:
    cloudinary.reset_config()


def rename(gateway: Gateway, before: str, after: str, **options: Any) -> dict[str, Any]:
    return dict(uploader.rename(before, after, **VIDEO, **gateway.cloud, **options))


def test_a_renamed_asset_keeps_all_but_its_name(gateway: Gateway) -> None:
    before = upload(gateway, "old", moderation="manual", tags=["a"], context={"k": "v"})
    answer = rename(gateway, "old", "in/new", context=True)
    found = shown(gateway, "in/new")
    for name in ("asset_id", "version", "etag", "bytes", "tags", "context"):
        assert answer[name] == found[name] == before[name]
    assert answer["public_id"] == "in/new"
    assert [(one["status"], one["kind"]) for one in answer["moderation"]] == [("pending", "manual")]
    assert bytes_at(answer["url"], gateway) == gateway.pipeline.clips("plain").read_bytes()
    assert bytes_at(before["url"], gateway) is None
    with pytest.raises(exceptions.NotFound):
        shown(gateway, "old")
    api.update("in/new", moderation_status="approved", **VIDEO, **gateway.cloud)
    assert shown(gateway, "in/new")["moderation_status"] == "approved"


def test_a_name_that_is_taken_is_not_given_unless_that_is_wanted(gateway: Gateway) -> None:
    one, two = upload(gateway, "one"), upload(gateway, "two", "rotated")
    with pytest.raises(exceptions.BadRequest, match="already exists"):
        rename(gateway, "one", "two")
    assert shown(gateway, "two")["asset_id"] == two["asset_id"]
    assert rename(gateway, "one", "two", overwrite=True)["asset_id"] == one["asset_id"]
    assert shown(gateway, "two")["asset_id"] == one["asset_id"]
    assert bytes_at(one["url"].replace("/one.", "/two."), gateway) == gateway.pipeline.clips("plain").read_bytes()
    listed = api.resources(**VIDEO, **gateway.cloud)["resources"]
    assert [each["asset_id"] for each in listed] == [one["asset_id"]]


def test_a_deleted_asset_gives_its_name_away(gateway: Gateway) -> None:
    upload(gateway, "gone")
    uploader.destroy("gone", **VIDEO, **gateway.cloud)
    upload(gateway, "there")
    assert rename(gateway, "there", "gone")["public_id"] == "gone"
    assert upload(gateway, "there")["public_id"] == "there"


def test_another_type_is_another_name(gateway: Gateway) -> None:
    before = upload(gateway, "film")
    answer = rename(gateway, "film", "film", to_type="private")
    assert (answer["type"], answer["asset_id"]) == ("private", before["asset_id"])
    assert bytes_at(before["url"], gateway) is None
    assert shown(gateway, "film", type="private")["asset_id"] == before["asset_id"]


@pytest.mark.parametrize("name", ["a?b", "../x", "a//b", "n" * 256, " x"])
def test_a_name_that_no_upload_could_have_is_refused(gateway: Gateway, name: str) -> None:
    upload(gateway, "x")
    with pytest.raises(exceptions.BadRequest, match="to_public_id"):
        rename(gateway, "x", name)
    assert shown(gateway, "x")


def test_there_must_be_something_to_rename(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    upload(gateway, "mine")
    with pytest.raises(exceptions.NotFound, match="Resource not found - none"):
        rename(gateway, "none", "x")
    with pytest.raises(exceptions.NotFound):
        uploader.rename("mine", "theirs", **VIDEO, **neighbour)
    assert shown(gateway, "mine")
