"""Assets leave the library through Cloudinary's SDK: one, several, or all that something is said of."""

# mypy: allow-untyped-calls

from typing import Any

import cloudinary
import pytest
from cloudinary import api, exceptions

from clipwarden_api import removing
from fixtures.gateway import Gateway
from sdk import VIDEO, bytes_at, upload


@pytest.fixture(autouse=True)
def _no_configuration() -> None:
    cloudinary.reset_config()


def listed(gateway: Gateway) -> set[str]:
    answer = api.resources(**VIDEO, max_results=500, **gateway.cloud)
    return {one["public_id"] for one in answer["resources"]}


def test_all_that_begins_with_a_prefix_goes_and_nothing_else(gateway: Gateway) -> None:
    for name in ("a/1", "a/2", "A/3", "a_4"):
        upload(gateway, name)
    answer = api.delete_resources_by_prefix("a/", **VIDEO, **gateway.cloud)
    assert (answer["deleted"], answer["partial"]) == ({"a/1": "deleted", "a/2": "deleted"}, False)
    assert listed(gateway) == {"A/3", "a_4"}
    assert api.delete_resources_by_prefix("_", **VIDEO, **gateway.cloud)["deleted"] == {}
    with pytest.raises(exceptions.BadRequest, match="public_ids"):
        api.delete_resources_by_prefix("", **VIDEO, **gateway.cloud)
    assert listed(gateway) == {"A/3", "a_4"}


def test_a_tag_names_what_goes_of_every_type(gateway: Gateway) -> None:
    upload(gateway, "one", tags=["x", "y"])
    upload(gateway, "one", type="private", tags=["x"])
    upload(gateway, "two", tags=["xx"])
    assert api.delete_resources_by_tag("x", **VIDEO, **gateway.cloud)["deleted"] == {"one": "deleted"}
    assert listed(gateway) == {"two"}


def test_what_is_named_goes_once_and_only_of_that_type(gateway: Gateway) -> None:
    found = {name: upload(gateway, name) for name in ("one", "two")}
    upload(gateway, "one", type="private")
    answer = api.delete_resources(["one", "none"], **VIDEO, **gateway.cloud)
    assert answer["deleted"] == {"one": "deleted", "none": "not_found"}
    assert bytes_at(found["one"]["url"], gateway) is None
    assert api.delete_resources(["one"], **VIDEO, **gateway.cloud)["deleted"] == {"one": "not_found"}
    assert api.resource("one", type="private", **VIDEO, **gateway.cloud)["bytes"] > 0
    asked = [found[name]["asset_id"] for name in ("one", "two")]
    gone = api.delete_resources_by_asset_ids(asked, **gateway.cloud)["deleted"]
    assert gone == {asked[0]: "not_found", asked[1]: "deleted"}


def test_all_goes_page_by_page_with_what_was_rejected(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removing, "PAGE", 2)
    for number in range(3):
        upload(gateway, str(number), moderation="manual")
    api.update("1", moderation_status="rejected", **VIDEO, **gateway.cloud)
    first = api.delete_all_resources(**VIDEO, **gateway.cloud)
    assert (set(first["deleted"]), first["partial"]) == ({"0", "1"}, True)
    second = api.delete_all_resources(next_cursor=first["next_cursor"], **VIDEO, **gateway.cloud)
    assert (set(second["deleted"]), second["partial"], "next_cursor" in second) == ({"2"}, False, False)
    assert listed(gateway) == set()


def test_originals_stay_when_only_what_is_made_of_them_is_to_go(gateway: Gateway) -> None:
    upload(gateway, "one")
    api.delete_all_resources(keep_original=True, **VIDEO, **gateway.cloud)
    api.delete_resources(["one"], transformations=[{"width": 100}], **VIDEO, **gateway.cloud)
    assert listed(gateway) == {"one"}


def test_another_account_deletes_nothing(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    found = upload(gateway, "one", tags=["x"])
    api.delete_all_resources(**VIDEO, **neighbour)
    api.delete_resources_by_prefix("o", **VIDEO, **neighbour)
    api.delete_resources_by_tag("x", **VIDEO, **neighbour)
    assert api.delete_resources(["one"], **VIDEO, **neighbour)["deleted"] == {"one": "not_found"}
    gone = api.delete_resources_by_asset_ids([found["asset_id"]], **neighbour)
    assert gone["deleted"] == {found["asset_id"]: "not_found"}
    assert listed(gateway) == {"one"}
