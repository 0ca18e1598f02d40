"""What holds for all calls of the JSON API: who may ask, in which form, how it is refused, and what repeating does."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from clipwarden import errors
from clipwarden.store import accounts, idempotency, schema
from clipwarden.store.engine import read, write
from fixtures.gateway import Gateway
from json_api import JsonApi, Reply

SUBMIT = "/v1/moderations"


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Let videos be taken from the folder that tests bring them to."""
    return pipeline_settings | {"api": {"source_buckets": "clipwarden"}}


def _asked(name: str = "clip") -> dict[str, Any]:
    return {"source": f"s3://clipwarden/in/{name}.mp4", "moderation": "manual"}


def _count(gateway: Gateway) -> int:
    with read(gateway.services.engine) as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(schema.moderations)).scalar_one()


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !", "Bearer x", "Basic a2V5", "Basic a2V5Ondyb25n", "Basic AGs6cw==", "Basic Og=="]
)
def test_who_brings_no_key_and_secret_is_challenged(api: JsonApi, header: str) -> None:
    for path in (SUBMIT, "/v1/moderations/x", "/v1/policy/taxonomies"):
        refused = api.get(path, Authorization=header)
        assert (refused.status, refused.json["code"]) == (401, "unauthenticated")
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
    assert api.get("/v1/openapi.json", Authorization=header).status == 200


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"{", "application/json", (400, "invalid_request")),
        (b"[]", "application/json", (400, "invalid_request")),
        (b'{"moderation": "manual", "moderation": "manual"}', "application/json", (400, "invalid_request")),
        (b'{"priority": NaN}', "application/json", (400, "invalid_request")),
        (b"\xff", "application/json", (400, "invalid_request")),
        (b"[" * 60_000, "application/json", (400, "invalid_request")),
        (b"{}", "text/plain", (415, "unsupported_media_type")),
        (b"a=b", "application/x-www-form-urlencoded", (415, "unsupported_media_type")),
        (b'{"source": "' + b"a" * 65_536 + b'"}', "application/json", (413, "body_too_long")),
        (b'{"public_id": "\\ud800"}', "application/json", (422, "invalid_request")),
        (b'{"\\ud800": "a"}', "application/json", (422, "invalid_request")),
        (b'{"public_id": "a\\u0000"}', "application/json", (422, "invalid_request")),
        (b"", "application/json", (400, "invalid_request")),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(
    gateway: Gateway, api: JsonApi, data: bytes, content_type: str, expected: tuple[int, str]
) -> None:
    refused = api.send("POST", SUBMIT, data, Content_Type=content_type)
    assert (refused.status, refused.json["code"]) == expected
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert (refused.json["status"], refused.json["type"]) == (expected[0], "about:blank")
    assert refused.headers["X-Request-Id"]
    assert _count(gateway) == 0


def test_a_path_or_method_that_is_not_there_is_a_problem(api: JsonApi) -> None:
    assert (api.get("/v1/nothing").status, api.get("/v1/nothing").json["code"]) == (404, "not_found")
    assert api.get("/v1/moderations/%0A/labels").headers["Content-Type"] == "application/problem+json"
    refused = api.send("DELETE", SUBMIT, None)
    assert (refused.status, refused.json["code"]) == (405, "method_not_allowed")
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_a_request_that_is_repeated_under_its_key_is_answered_as_before(gateway: Gateway, api: JsonApi) -> None:
    first = api.post(SUBMIT, _asked(), Idempotency_Key="a")
    gateway.pipeline.decided(first.json["id"])
    again = api.post(SUBMIT, dict(reversed(_asked().items())), Idempotency_Key="a")
    assert (again.status, again.data) == (first.status, first.data)
    assert (first.headers["Idempotent-Replayed"], again.headers["Idempotent-Replayed"]) == (None, "true")
    other = api.post(SUBMIT, _asked("other"), Idempotency_Key="a")
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    cancelled = api.post(f"{SUBMIT}/{first.json['id']}/cancel", Idempotency_Key="a")
    assert cancelled.json["code"] == "idempotency_key_reused"
    assert _count(gateway) == 1
    assert api.post(SUBMIT, _asked(), Idempotency_Key="b").json["id"] != first.json["id"]
    assert api.post(SUBMIT, _asked(), Idempotency_Key="a b").status == 400


def test_a_key_is_its_accounts(gateway: Gateway, api: JsonApi, neighbour: dict[str, Any]) -> None:
    stranger = JsonApi(url=gateway.url, key=neighbour["api_key"], secret=neighbour["api_secret"])
    mine, theirs = (one.post(SUBMIT, _asked(), Idempotency_Key="a") for one in (api, stranger))
    assert (mine.status, theirs.status) == (201, 201)
    assert mine.json["id"] != theirs.json["id"]


def test_a_request_that_was_refused_may_be_made_again_under_its_key(gateway: Gateway, api: JsonApi) -> None:
    asked = {"public_id": "clip", "moderation": "manual"}
    assert api.post(SUBMIT, asked, Idempotency_Key="a").status == 404
    gateway.pipeline.decided(gateway.pipeline.submit(public_id="clip"))
    assert api.post(SUBMIT, asked, Idempotency_Key="a").status == 201


def test_of_requests_at_the_same_time_one_is_done_and_the_others_are_told(gateway: Gateway, api: JsonApi) -> None:
    together = threading.Barrier(8)

    def submit(_: int) -> Reply:
        together.wait(10)
        return api.post(SUBMIT, _asked(), Idempotency_Key="a")

    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(submit, range(8)))
    assert {reply.status for reply in replies} <= {201, 409}
    assert len({reply.json["id"] for reply in replies if reply.status == 201}) == 1
    assert {reply.json["code"] for reply in replies if reply.status == 409} <= {"idempotency_key_in_use"}
    assert _count(gateway) == 1


def _claim(gateway: Gateway, fingerprint: str, later: timedelta) -> idempotency.Claim | idempotency.Answer:
    services = gateway.services
    with write(services.engine) as conn:
        account = accounts.by_name(conn, "default")
        assert account is not None
        asked = idempotency.Request(account_id=account.id, key="a", fingerprint=fingerprint)
        return idempotency.claim(conn, asked, now=services.clock.now() + later)


def test_while_somebody_works_on_a_request_the_others_wait_until_they_are_taken_for_dead(
    gateway: Gateway, api: JsonApi
) -> None:
    first = api.post(SUBMIT, _asked(), Idempotency_Key="a")
    with write(gateway.services.engine) as conn:
        # As if the process had died between taking the request and answering it.
        conn.execute(sa.update(schema.idempotent_requests).values(status=None, body=None))
    waiting = api.post(SUBMIT, _asked(), Idempotency_Key="a")
    assert (waiting.status, waiting.json["code"]) == (409, "idempotency_key_in_use")
    with write(gateway.services.engine) as conn:
        past = gateway.services.clock.now() - timedelta(seconds=1)
        conn.execute(sa.update(schema.idempotent_requests).values(claimed_until=past))
    taken = api.post(SUBMIT, _asked(), Idempotency_Key="a")
    assert taken.status == 201
    assert taken.json["id"] != first.json["id"]


def test_an_answer_that_comes_too_late_changes_nothing(gateway: Gateway) -> None:
    slow, quick = _claim(gateway, "f", timedelta()), _claim(gateway, "f", idempotency.HELD)
    assert isinstance(slow, idempotency.Claim)
    assert isinstance(quick, idempotency.Claim)
    told = idempotency.Answer(status=200, body="{}")
    with write(gateway.services.engine) as conn:
        idempotency.keep(conn, quick, told)
    with pytest.raises(errors.KeyInUse), write(gateway.services.engine) as conn:
        idempotency.keep(conn, slow, idempotency.Answer(status=500, body=""))
    with write(gateway.services.engine) as conn:
        idempotency.withdraw(conn, slow)
    assert _claim(gateway, "f", timedelta()) == told


def test_a_key_is_free_again_after_a_day(gateway: Gateway) -> None:
    _claim(gateway, "f", timedelta())
    with pytest.raises(errors.KeyReused):
        _claim(gateway, "g", idempotency.KEPT - timedelta(seconds=30))
    assert isinstance(_claim(gateway, "g", idempotency.KEPT + timedelta(seconds=30)), idempotency.Claim)


def test_a_policy_is_explained_category_by_category(api: JsonApi) -> None:
    said = api.post("/v1/policy", {"moderation": "aws_rek_video:violence:0.9:weapons:ignore"}).json
    assert said["moderation"] == "aws_rek_video:violence:0.9:weapons:ignore"
    old, new = said["taxonomies"]
    assert (old["taxonomy"], new["taxonomy"]) == ("6.1", "7.0")
    rules = {tuple(rule["path"]): rule for rule in new["rules"]}
    assert rules["Violence", "Weapons"]["threshold"] is None
    graphic = rules["Violence", "Graphic Violence"]
    assert (graphic["threshold"], graphic["source"]["category"]) == (0.9, "violence")
    assert rules[("Gambling",)]["origin"] == "default"
    known = {one["version"]: one["categories"] for one in api.get("/v1/policy/taxonomies").json["items"]}
    assert [one["path"] for one in known["7.0"]] == [rule["path"] for rule in new["rules"]]


def test_a_policy_that_cannot_be_read_is_refused_with_its_part_and_the_nearest_names(api: JsonApi) -> None:
    refused = api.post("/v1/policy", {"moderation": "aws_rek_video:alcohl:0.5"})
    assert (refused.status, refused.json["code"]) == (422, "invalid_policy")
    (fault,) = refused.json["errors"]
    assert (fault["pointer"], fault["part"], fault["position"]) == ("/moderation", "alcohl", 14)
    assert fault["suggestions"][0] == "alcohol"
