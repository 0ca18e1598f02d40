"""Programs ask what an account has, and say who is to be told of its events, through Cloudinary's SDK."""

# mypy: allow-untyped-calls

from datetime import timedelta
from typing import Any

import cloudinary
import pytest
from cloudinary import api, exceptions, uploader

from clipwarden.store import endpoints
from fixtures.gateway import Gateway
from sdk import VIDEO, upload


@pytest.fixture(autouse=True)
def _no_configuration() -> None:
    cloudinary.reset_config()


def test_usage_counts_what_an_account_has(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    one = upload(gateway, "one", backup=True)
    two = upload(gateway, "two", "rotated")
    found = api.usage(**gateway.cloud)
    assert (found["resources"], found["storage"]["usage"]) == (2, one["bytes"] + two["bytes"])
    assert found.keys() >= {"plan", "last_updated", "transformations", "bandwidth", "requests", "media_limits"}
    uploader.destroy("one", **VIDEO, **gateway.cloud)
    found = api.usage(**gateway.cloud)
    assert (found["storage"]["usage"], found["backup"]["usage"]) == (two["bytes"], one["bytes"])
    assert api.usage(**neighbour)["resources"] == 0


def test_usage_of_a_day_is_what_had_come_in_by_its_end(gateway: Gateway) -> None:
    upload(gateway, "one")
    today = gateway.services.clock.now().date()
    assert api.usage(date=today, **gateway.cloud)["resources"] == 1
    assert api.usage(date="31-12-9999", **gateway.cloud)["resources"] == 1
    before = api.usage(date=today - timedelta(days=1), **gateway.cloud)
    assert before["resources"] == 0
    assert "limit" not in before["bandwidth"]
    for wrong in ("2026-01-01", "31-02-2026", "01-01-0000"):
        with pytest.raises(exceptions.BadRequest, match="dd-mm-yyyy"):
            api.usage(date=wrong, **gateway.cloud)


def test_an_account_says_what_it_is_called(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    assert api.config(**gateway.cloud)["cloud_name"] == "default"
    assert "settings" in api.config(settings=True, **neighbour)
    assert "settings" not in api.config(**neighbour)


def test_tags_are_listed_by_type_prefix_and_page(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    upload(gateway, "one", tags=["b", "a", "ab"])
    upload(gateway, "two", tags=["c", "a"])
    upload(gateway, "gone", tags=["d"], backup=True)
    uploader.destroy("gone", **VIDEO, **gateway.cloud)
    first = api.tags(**VIDEO, max_results=2, **gateway.cloud)
    second = api.tags(**VIDEO, max_results=2, next_cursor=first["next_cursor"], **gateway.cloud)
    assert (first["tags"], second["tags"], "next_cursor" in second) == (["a", "ab"], ["b", "c"], False)
    assert api.tags(**VIDEO, prefix="a", **gateway.cloud)["tags"] == ["a", "ab"]
    assert api.tags(**gateway.cloud)["tags"] == []
    assert api.tags(**VIDEO, **neighbour)["tags"] == []


def test_a_trigger_is_kept_changed_and_forgotten(gateway: Gateway) -> None:
    made = api.create_trigger("https://example.com/a?b=c", "moderation", **gateway.cloud)
    assert (made["uri"], made["event_type"], made["uri_type"]) == ("https://example.com/a?b=c", "moderation", "webhook")
    api.create_trigger("http://example.com/all", "all", **gateway.cloud)
    listed = api.triggers(**gateway.cloud)
    assert (listed["total"], [one["event_type"] for one in listed["triggers"]]) == (2, ["moderation", "all"])
    assert api.triggers(event_type="all", **gateway.cloud)["total"] == 1
    assert api.update_trigger(made["id"], "https://example.com/new", **gateway.cloud)["message"] == "updated"
    assert api.triggers(event_type="moderation", **gateway.cloud)["triggers"][0]["uri"] == "https://example.com/new"
    assert api.delete_trigger(made["id"], **gateway.cloud)["message"] == "deleted"
    for id in (made["id"], "x"):
        with pytest.raises(exceptions.NotFound):
            api.delete_trigger(id, **gateway.cloud)


NEVER_CALLED = (
    *("", "ftp://example.com", "poll://x", "https://", "https://a b", "http://a:99999/", "http://[", "https://a/\n"),
    *("http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "http://[::ffff:10.0.0.1]/", "http://[fe80::1]/"),
    *("http://0x7f.0.0.1/", "http://2130706433/", "https://ann:hidden@example.com/", "https://a/,https://b/"),
)


def test_only_addresses_that_may_be_called_are_told(gateway: Gateway) -> None:
    made = api.create_trigger("https://example.com", "all", **gateway.cloud)
    for uri in NEVER_CALLED:
        with pytest.raises(exceptions.BadRequest, match="parameter uri") as refused:
            api.create_trigger(uri, "all", **gateway.cloud)
        assert "hidden" not in str(refused.value)
        with pytest.raises(exceptions.BadRequest, match="parameter new_uri"):
            api.update_trigger(made["id"], uri, **gateway.cloud)
    assert api.triggers(**gateway.cloud)["triggers"] == [made]


def test_a_trigger_is_for_an_event_and_called_over_http(gateway: Gateway) -> None:
    with pytest.raises(exceptions.BadRequest, match="event_type"):
        api.create_trigger("https://example.com", "No Event", **gateway.cloud)
    with pytest.raises(exceptions.BadRequest, match="uri_type"):
        api.create_trigger("https://example.com", "all", uri_type="poll", **gateway.cloud)
    assert api.triggers(**gateway.cloud)["triggers"] == []


def test_nobody_is_told_twice_nor_are_there_too_many(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST", 2)
    api.create_trigger("https://example.com/1", "all", **gateway.cloud)
    with pytest.raises(exceptions.BadRequest, match="already"):
        api.create_trigger("https://example.com/1", "all", **gateway.cloud)
    second = api.create_trigger("https://example.com/2", "all", **gateway.cloud)
    with pytest.raises(exceptions.BadRequest, match="already"):
        api.update_trigger(second["id"], "https://example.com/1", **gateway.cloud)
    with pytest.raises(exceptions.BadRequest, match="at most 2"):
        api.create_trigger("https://example.com/3", "all", **gateway.cloud)


def test_another_account_has_its_own_triggers(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    made = api.create_trigger("https://example.com", "all", **gateway.cloud)
    assert api.triggers(**neighbour)["total"] == 0
    with pytest.raises(exceptions.NotFound):
        api.update_trigger(made["id"], "https://example.com/theirs", **neighbour)
    with pytest.raises(exceptions.NotFound):
        api.delete_trigger(made["id"], **neighbour)
    assert api.triggers(**gateway.cloud)["triggers"][0]["uri"] == "https://example.com"
    assert api.create_trigger("https://example.com", "all", **neighbour)["id"] != made["id"]
