"""What the served document promises holds for any request that can be made of it, and its page shows it."""

import base64
import hashlib
import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi import checks

from clipwarden.moderation import Moderation
from clipwarden_api.v1 import changing
from clipwarden_api.v1.operation import Operation
from clipwarden_api.v1.operations import OPERATIONS
from fixtures.gateway import Gateway
from fixtures.pipeline import SECRET
from json_api import JsonApi

PROMISES = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
#: No time limit: the machine may be slow. Always the same requests: a failure can be looked at again.
BOUNDED = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
#: What makes a request one that can be done, where it names such a thing.
GOOD: dict[str, Any] = {
    "moderation": "aws_rek_video:alcohol:0.9",
    "source": "s3://clipwarden/in/plain.mp4",
    "public_id": "clip",
    "url": "https://shop.example/in",
    "bytes": 5,
    "type": "upload",
}


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Let videos be taken from the folder that tests bring them to."""
    return pipeline_settings | {"api": {"source_buckets": "clipwarden"}}


@pytest.fixture
def decided(gateway: Gateway) -> Moderation:
    """Return a moderation that calls can be about."""
    return gateway.pipeline.decided(gateway.pipeline.submit(notification_url=None))


def begun(gateway: Gateway) -> str:
    """Return an upload all of whose parts have come."""
    api = JsonApi(url=gateway.url)
    made = api.post("/v1/uploads", {"filename": "a.bin", "bytes": 5, "resource_type": "raw"}).json
    part = made["missing"][0]["url"].removeprefix(gateway.services.public_url)
    assert api.send("PUT", part, b"bytes").status == 200
    return str(made["id"])


def known_id(gateway: Gateway, operation: Operation, decided: Moderation) -> str:
    """Return the id of something that an operation can be about."""
    if operation.about == "upload":
        return begun(gateway)
    if operation.about == "moderation":
        return decided.id
    api = JsonApi(url=gateway.url)
    if operation.about == "asset":
        assert api.send("DELETE", f"/v1/assets/{decided.asset_id}", None).status == 202
        return decided.asset_id
    api.post("/v1/endpoints", {"url": gateway.pipeline.receiver.url})
    (endpoint,) = (
        one["id"] for one in api.get("/v1/endpoints").json["items"] if one["url"] == gateway.pipeline.receiver.url
    )
    if operation.about == "endpoint":
        return str(endpoint)
    return str(api.post(f"/v1/endpoints/{endpoint}/test").json["id"])


@pytest.fixture
def document(gateway: Gateway) -> Any:
    return schemathesis.openapi.from_url(f"{gateway.url}/v1/openapi.json")


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # Schemathesis does.
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_whatever_is_asked_is_answered_as_the_document_says(
    gateway: Gateway, document: Any, decided: Moderation, operation: Operation
) -> None:
    described = document.find_operation_by_id(operation.name)
    cases = st.one_of([described.as_strategy(generation_mode=mode) for mode in GenerationMode])
    seen: set[int] = set()

    @BOUNDED
    @given(case=cases, known=st.booleans())
    def answered(case: "Case[Any]", known: bool) -> None:  # noqa: FBT001 # a strategy's value
        if known:
            _mend(case, known_id(gateway, operation, decided))
        response = case.call(base_url=gateway.url, auth=("key", SECRET))
        case.validate_response(response, checks=PROMISES)
        seen.add(response.status_code)

    answered()
    assert len(seen) > 1 or operation.query is operation.body is None
    assert seen & set(operation.statuses) or operation.work in (changing.cancel, changing.retry)


def test_the_document_is_one_of_openapi(document: Any) -> None:
    document.validate()
    assert document.raw_schema["openapi"] == "3.1.0"


def _mend(case: "Case[Any]", id: str) -> None:
    if "id" in (case.path_parameters or {}):
        case.path_parameters["id"] = id
    if isinstance(case.body, dict):
        case.body = {
            name: GOOD.get(name, value)
            for name, value in case.body.items()
            if name not in {"asset_id", "preset", "folder", "parts"}
        }


def test_the_page_shows_every_operation_under_a_policy_that_lets_nothing_in(gateway: Gateway) -> None:
    api = JsonApi(url=gateway.url)
    page = api.get("/v1/docs")
    policy = page.headers["Content-Security-Policy"]
    text = page.data.decode()
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert not re.search(r"<script|style=|(src|href)=\"(https?:)?//", text)
    links, targets = set(re.findall(r'href="#([^"]+)"', text)), set(re.findall(r'id="([^"]+)"', text))
    assert links <= targets
    assert {operation.name for operation in OPERATIONS} <= targets
