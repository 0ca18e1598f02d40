"""Who guesses secrets has to wait; who sees what is public, and who comes through a proxy, does not."""

from collections.abc import Iterator
from typing import Any

import cloudinary.api
import cloudinary.uploader
import pytest
from cloudinary import exceptions

from fixtures.gateway import serving_gateway
from fixtures.pipeline import SECRET, Pipeline
from json_api import JsonApi

# The SDK has no types.
api: Any = cloudinary.api
uploader: Any = cloudinary.uploader


@pytest.fixture
def url(pipeline: Pipeline) -> Iterator[str]:
    """Serve a gateway to which nobody is a proxy."""
    settings = pipeline.services.settings
    strict = settings.api.model_copy(update={"failed_logins_per_minute": 3, "trusted_networks": ()})
    with serving_gateway(settings.model_copy(update={"api": strict})) as (url, _):
        yield url


def cloud(url: str, secret: str) -> dict[str, Any]:
    return {"cloud_name": "default", "api_key": "key", "api_secret": secret, "upload_prefix": url}


def test_an_address_that_guesses_has_to_wait_whatever_it_guesses_next(url: str) -> None:
    good, guess = JsonApi(url=url), JsonApi(url=url, secret="guess")
    for _ in range(5):
        assert good.get("/v1/moderations").status == 200
        assert good.get("/v1/moderations", Authorization="").status == 401  # It tried nothing.
    assert guess.get("/v1/moderations").status == 401
    with pytest.raises(exceptions.AuthorizationRequired):
        api.ping(**cloud(url, "guess"))
    with pytest.raises(exceptions.AuthorizationRequired):
        uploader.upload("data:text/plain;base64,eA==", resource_type="raw", **cloud(url, "guess"))
    for asked in (guess, good):
        refused = asked.get("/v1/moderations")
        assert (refused.status, refused.json["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert refused.headers["X-Request-Id"]
    with pytest.raises(exceptions.RateLimited, match="wrong credentials"):
        api.ping(**cloud(url, SECRET))
    with pytest.raises(exceptions.RateLimited, match="wrong credentials"):
        uploader.upload("data:text/plain;base64,eA==", resource_type="raw", **cloud(url, SECRET))
    for public in ("/healthz", "/v1/openapi.json"):
        assert good.send("GET", public, None, Authorization="").status == 200


def test_of_what_comes_through_a_proxy_nothing_is_counted(pipeline: Pipeline) -> None:
    settings = pipeline.services.settings
    strict = settings.api.model_copy(update={"failed_logins_per_minute": 1})
    with serving_gateway(settings.model_copy(update={"api": strict})) as (url, _):
        assert {JsonApi(url=url, secret="guess").get("/v1/moderations").status for _ in range(3)} == {401}
        assert JsonApi(url=url).get("/v1/moderations").status == 200
