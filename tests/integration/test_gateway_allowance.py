"""An account may make so many calls in an hour, and is told how many are left."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import cloudinary.api
import cloudinary.uploader
import pytest
import redis
from cloudinary import exceptions
from pydantic import SecretStr

from clipwarden.settings import Settings
from clipwarden_local.ports import free_port
from fixtures.gateway import Gateway, serving_gateway
from json_api import JsonApi
from sdk import VIDEO

# The SDK has no types.
api: Any = cloudinary.api
uploader: Any = cloudinary.uploader


def strict(settings: Settings, **redis_settings: Any) -> Settings:
    few = settings.api.model_copy(update={"calls_per_hour": 3, "uploads_per_hour": 2})
    bus = settings.redis.model_copy(update=redis_settings)
    return settings.model_copy(update={"api": few, "redis": bus})


@pytest.fixture
def both(gateway: Gateway) -> Iterator[list[dict[str, Any]]]:
    """Serve two gateways that know nothing of each other but Redis."""
    settings = strict(gateway.services.settings)
    with serving_gateway(settings) as (first, _), serving_gateway(settings) as (second, _):
        yield [gateway.cloud | {"upload_prefix": url} for url in (first, second)]


def test_calls_are_counted_over_all_gateways(both: list[dict[str, Any]], neighbour: dict[str, Any]) -> None:
    here, there = both
    left = [api.ping(**cloud).rate_limit_remaining for cloud in (here, there, here)]
    assert left == [2, 1, 0]
    with pytest.raises(exceptions.RateLimited, match="3 calls per hour"):
        api.ping(**there)
    # Others are not concerned, nor is what is counted apart.
    assert api.ping(**neighbour | {"upload_prefix": here["upload_prefix"]}).rate_limit_remaining == 2
    assert uploader.upload("data:text/plain;base64,eA==", resource_type="raw", **here)["bytes"] == 1


def test_the_json_api_counts_with_the_others(both: list[dict[str, Any]]) -> None:
    here, there = both
    for left in ("2", "1"):
        answer = JsonApi(url=here["upload_prefix"]).get("/v1/moderations")
        assert (answer.status, answer.headers["X-FeatureRateLimit-Remaining"]) == (200, left)
    api.ping(**there)
    refused = JsonApi(url=here["upload_prefix"]).get("/v1/moderations")
    assert (refused.status, refused.json["code"]) == (429, "rate_limited")


def test_files_that_are_announced_count_as_uploads(both: list[dict[str, Any]]) -> None:
    asked = {"filename": "a.mp4", "bytes": 1}
    answers = [JsonApi(url=cloud["upload_prefix"]).post("/v1/uploads", asked) for cloud in (*both, both[0])]
    assert [one.status for one in answers] == [201, 201, 429]
    assert "2 uploads per hour" in answers[2].json["detail"]


def test_no_bytes_are_taken_from_who_may_not_upload_now(both: list[dict[str, Any]], gateway: Gateway) -> None:
    here, there = both
    for cloud in (here, there):
        uploader.upload("data:text/plain;base64,eA==", resource_type="raw", **cloud)
    with pytest.raises(exceptions.RateLimited, match="2 uploads per hour"):
        uploader.upload(str(gateway.pipeline.clips("plain")), **VIDEO, **here)
    assert api.resources(**VIDEO, **here)["resources"] == []


def test_the_hour_ends(both: list[dict[str, Any]], redis_url: str) -> None:
    [here, _] = both
    for _ in range(3):
        answer = api.ping(**here)
    assert answer.rate_limit_reset_at is not None
    with redis.Redis.from_url(redis_url) as client:
        keys = list(client.scan_iter("*allowance*"))
        assert keys
        assert all(0 < client.ttl(key) <= 3600 for key in keys)
        client.delete(*keys)
    assert api.ping(**here).rate_limit_remaining == 2


def test_while_redis_is_away_each_process_counts_by_itself(gateway: Gateway) -> None:
    nowhere = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
    with serving_gateway(strict(gateway.services.settings, url=nowhere)) as (url, _):
        cloud = gateway.cloud | {"upload_prefix": url}
        assert [api.ping(**cloud).rate_limit_remaining for _ in range(3)] == [2, 1, 0]
        with pytest.raises(exceptions.RateLimited):
            api.ping(**cloud)


@pytest.mark.parametrize(("reachable", "said"), [(True, "ok"), (False, "unavailable")])
def test_a_gateway_is_ready_without_redis_and_says_so(gateway: Gateway, *, reachable: bool, said: str) -> None:
    settings = gateway.services.settings
    if not reachable:
        settings = strict(settings, url=SecretStr(f"redis://127.0.0.1:{free_port()}/0"))
    with serving_gateway(settings) as (url, _), urlopen(f"{url}/readyz", timeout=20) as answer:
        assert json.load(answer) == {"database": "ok", "media": "ok", "redis": said}
