"""Programs submit, find, follow and change moderations through clipwarden's own JSON API."""

import json
import re
from typing import Any

import pytest

from clipwarden import errors
from clipwarden.moderation import Location, Moderation, Placement, Stage, Status
from clipwarden.store import assets, pools, presets
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from clipwarden_workers.rekognition import Rekognition
from fixtures.gateway import Gateway
from fixtures.pipeline import REGION
from json_api import JsonApi
from waiting import eventually

WEAPONS = Script.model_validate({"labels": [{"at": 500, "path": ["Violence", "Weapons"], "confidence": 70}]})
NOBODY = "018f0000-0000-7000-8000-000000000003"


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Let videos be taken from the folder that tests bring them to."""
    return pipeline_settings | {"api": {"source_buckets": "clipwarden"}}


def source(gateway: Gateway, clip: str = "plain") -> str:
    return str(gateway.pipeline.put(gateway.pipeline.clips(clip), key=f"in/{clip}.mp4"))


def submit(gateway: Gateway, api: JsonApi, **asked: Any) -> str:
    reply = api.post("/v1/moderations", {"source": source(gateway), **asked})
    assert reply.status == 201, reply.json
    return str(reply.json["id"])


def decided(gateway: Gateway, api: JsonApi, **asked: Any) -> str:
    return gateway.pipeline.decided(submit(gateway, api, **asked)).id


def _placed(gateway: Gateway, asset_id: str, placement: Placement) -> bool:
    with read(gateway.services.engine) as conn:
        asset = assets.by_id(conn, asset_id)
    return asset is not None and asset.placed is asset.wanted is placement


def _row(gateway: Gateway, id: str) -> Moderation:
    row = gateway.pipeline.get(id)
    assert row is not None
    return row


def test_a_video_that_is_elsewhere_is_submitted_and_followed_to_its_callback(gateway: Gateway, api: JsonApi) -> None:
    gateway.pipeline.endpoint.tell(WEAPONS)
    asked = {
        "source": source(gateway),
        "public_id": "site/clip",
        "moderation": "aws_rek_video:weapons:0.6",
        "notification_urls": [gateway.pipeline.receiver.url],
        "priority": 5,
    }
    made = api.post("/v1/moderations", asked)
    assert (made.status, made.json["status"], made.json["stage"]) == (201, "pending", "intake")
    assert re.fullmatch("[0-9a-f]{32}", made.headers["X-Request-Id"])
    gateway.pipeline.decided(made.json["id"])
    found = api.get(f"/v1/moderations/{made.json['id']}").json
    assert (found["status"], found["priority"], found["decided_by"]) == ("rejected", 5, "policy")
    assert found["asset"]["public_id"] == "site/clip"
    assert [reason["label"] for reason in found["verdict"]["reasons"]] == ["Weapons"]
    told = gateway.pipeline.receiver.wait_for(found["id"], within=20)
    assert told is not None
    assert told.verified


def test_an_asset_that_is_there_is_moderated_again_by_any_of_its_names(gateway: Gateway, api: JsonApi) -> None:
    first = decided(gateway, api, public_id="clip")
    asset_id = _row(gateway, first).asset_id
    for named in ({"public_id": "clip"}, {"asset_id": asset_id}, {"asset_id": asset_id.replace("-", "")}):
        made = api.post("/v1/moderations", {**named, "moderation": "manual"})
        assert (made.status, made.json["stage"], made.json["kind"]) == (201, "review", "manual")
        assert _row(gateway, made.json["id"]).asset_id == asset_id
    assert api.post("/v1/moderations", {"public_id": "unknown"}).status == 404
    assert api.post("/v1/moderations", {"asset_id": NOBODY}).status == 404


def test_a_preset_says_what_is_not_said(gateway: Gateway, api: JsonApi) -> None:
    options = {"moderation": "aws_rek_video:alcohol:0.9|manual", "notification_url": "https://a.example/"}
    services = gateway.services
    owner = _row(gateway, submit(gateway, api)).account_id
    with write(services.engine) as conn:
        presets.ensure(conn, account_id=owner, name="p", options=options, now=services.clock.now())
    made = api.post("/v1/moderations", {"source": source(gateway), "preset": "p"}).json
    assert (made["moderation"], made["notification_urls"]) == ("aws_rek_video:alcohol:0.9", ["https://a.example/"])
    assert made["chain"]["position"] == 0
    given = {"source": source(gateway), "preset": "p", "moderation": "manual", "notification_urls": []}
    made = api.post("/v1/moderations", given).json
    assert (made["moderation"], made["notification_urls"], made["chain"]) == ("manual", [], None)
    assert api.post("/v1/moderations", {"source": source(gateway), "preset": "q"}).json["errors"][0]["pointer"] == (
        "/preset"
    )


def test_the_keys_of_the_python_client_lead_to_the_same_moderation(gateway: Gateway, api: JsonApi) -> None:
    id = gateway.pipeline.client.enqueue(source(gateway), idempotency_key="upload 1")
    gateway.pipeline.decided(id)
    again = api.post("/v1/moderations", {"source": source(gateway), "idempotency_key": "upload 1"})
    assert (again.status, again.json["id"], again.json["status"]) == (200, id, "approved")


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"source": "s3://elsewhere/clip.mp4"}, "/source"),
        ({"source": "file:///etc/passwd"}, "/source"),
        ({"source": "s3://clipwarden/a", "moderation": "manual|aws_rek_video:wepons:0.5"}, "/moderation"),
        ({"source": "s3://clipwarden/a", "notification_urls": ["ftp://x/"]}, "/notification_urls/0"),
        ({"source": "s3://clipwarden/a", "priority": "5"}, "/priority"),
        ({"source": "s3://clipwarden/a", "surprise": 1}, "/surprise"),
        ({}, ""),
        ({"source": "s3://clipwarden/a", "asset_id": NOBODY}, ""),
    ],
)
def test_what_cannot_be_moderated_is_refused_and_the_field_is_named(
    api: JsonApi, asked: dict[str, Any], pointer: str
) -> None:
    refused = api.post("/v1/moderations", asked)
    assert (refused.status, refused.headers["Content-Type"]) == (422, "application/problem+json")
    assert refused.json["errors"][0]["pointer"] == pointer
    assert api.get("/v1/moderations").json == {"items": [], "next": None}


def test_a_wrong_name_in_a_chain_is_found_with_its_place_and_the_nearest_ones(api: JsonApi) -> None:
    text = "manual|aws_rek_video:wepons:0.5"
    (fault,) = api.post("/v1/moderations", {"source": "s3://clipwarden/a", "moderation": text}).json["errors"]
    assert text[fault["position"] :].startswith(fault["part"])
    assert (fault["part"], fault["suggestions"][0]) == ("wepons", "weapons")


def test_moderations_are_listed_page_by_page_and_by_what_they_are(gateway: Gateway, api: JsonApi) -> None:
    ids = [decided(gateway, api, public_id=f"c{number}") for number in range(3)]
    manual = gateway.pipeline.when(submit(gateway, api, moderation="manual"), Stage.REVIEW)
    found: list[str] = []
    path = "/v1/moderations?limit=2&kind=aws_rek_video"
    while path:
        page = api.get(path)
        found += [one["id"] for one in page.json["items"]]
        link = page.headers["Link"]
        assert (link is None) == (page.json["next"] is None)
        path = link.partition("<")[2].partition(">")[0] if link else ""
    assert found == ids[::-1]
    when = manual.created_at.isoformat().replace("+", "%2B")

    def listed(query: str) -> list[str]:
        return [one["id"] for one in api.get(f"/v1/moderations?{query}").json["items"]]

    assert listed("stage=review") == listed("status=pending") == listed(f"created_since={when}") == [manual.id]
    assert listed(f"created_before={when}") == ids[::-1]
    for wrong in ("cursor=x", "cursor=" + "f" * 32, "limit=0", "status=odd", "created_since=2026-01-01", "a=1"):
        assert api.get(f"/v1/moderations?{wrong}").status == 422, wrong
    for beyond in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        assert api.get(f"/v1/moderations?created_since={beyond}").status == 422
    assert listed("created_since=0001-01-01T00:00:00Z") == listed("created_before=9999-12-31T23:59:59Z") != []


def test_another_account_sees_and_changes_nothing(gateway: Gateway, api: JsonApi, stranger: JsonApi) -> None:
    id = decided(gateway, api, public_id="clip")
    before = _row(gateway, id)
    assert stranger.get("/v1/moderations").json["items"] == []
    for path in ("", "/audit", "/labels"):
        assert stranger.get(f"/v1/moderations/{id}{path}").status == 404
    bodies = {"override": {"verdict": "rejected"}, "rejudge": {"moderation": "aws_rek_video", "apply": True}}
    for call in ("cancel", "retry", "rejudge", "override"):
        for unknown in (id, NOBODY, "x"):
            assert stranger.post(f"/v1/moderations/{unknown}/{call}", bodies.get(call)).status == 404
    for named in ({"public_id": "clip"}, {"asset_id": before.asset_id}):
        assert stranger.post("/v1/moderations", named).status == 404
    assert _row(gateway, id) == before


def test_labels_come_page_by_page_and_as_lines(gateway: Gateway, api: JsonApi) -> None:
    seen = [{"at": 100 * n, "path": ["Violence", "Weapons"], "confidence": 60 + n} for n in range(6)]
    gateway.pipeline.endpoint.tell(Script.model_validate({"labels": seen}))
    id = decided(gateway, api)
    lines = api.get(f"/v1/moderations/{id}/labels", Accept="application/x-ndjson")
    assert lines.headers["Content-Type"].startswith("application/x-ndjson")
    expected = [json.loads(line) for line in lines.data.splitlines()]
    assert len(expected) == _row(gateway, id).label_count
    found: list[dict[str, Any]] = []
    path = f"/v1/moderations/{id}/labels?limit=5"
    while path:
        page = api.get(path)
        found += page.json["items"]
        path = page.headers["Link"].partition("<")[2].partition(">")[0] if page.json["next"] else ""
    assert found == expected
    assert {label["name"] for label in found} == {"Violence", "Weapons"}
    rest = api.get(f"/v1/moderations/{id}/labels?cursor=4", Accept="application/x-ndjson")
    assert [json.loads(line) for line in rest.data.splitlines()] == expected[4:]


def test_labels_that_are_not_there_are_said_not_to_be(gateway: Gateway, api: JsonApi) -> None:
    id = decided(gateway, api)
    row = _row(gateway, id)
    gateway.services.media.delete(Location(bucket="clipwarden", key=row.labels_key or ""))
    for accept in ("application/json", "application/x-ndjson"):
        gone = api.get(f"/v1/moderations/{id}/labels", Accept=accept)
        assert (gone.status, gone.json["code"]) == (404, "media_not_found")
    manual = gateway.pipeline.when(submit(gateway, api, moderation="manual"), Stage.REVIEW)
    assert api.get(f"/v1/moderations/{manual.id}/labels").status == 409


def test_a_human_overrides_with_a_reason_that_the_audit_trail_keeps(gateway: Gateway, api: JsonApi) -> None:
    id = decided(gateway, api)
    asked = {"verdict": "rejected", "by": "ada", "reason": "a logo"}
    said = api.post(f"/v1/moderations/{id}/override", asked)
    assert (said.status, said.json["status"], said.json["decided_by"]) == (200, "rejected", "human:ada")
    eventually(lambda: _placed(gateway, _row(gateway, id).asset_id, Placement.QUARANTINE))
    first = api.get(f"/v1/moderations/{id}/audit?limit=1")
    assert [event["action"] for event in first.json["items"]] == ["approved"]
    rest = api.get(f"/v1/moderations/{id}/audit?cursor={first.json['next']}").json
    assert [(event["actor"], event["action"]) for event in rest["items"]] == [("human:ada", "rejected")]
    assert rest["items"][0]["detail"]["reason"] == "a logo"
    assert rest["next"] is None


def test_another_policy_is_tried_and_put_into_force(gateway: Gateway, api: JsonApi) -> None:
    gateway.pipeline.endpoint.tell(WEAPONS)
    id = decided(gateway, api, moderation="aws_rek_video:weapons:ignore")
    tried = api.post(f"/v1/moderations/{id}/rejudge", {"moderation": "aws_rek_video"}).json
    assert (tried["present"]["status"], tried["other"]["status"], tried["applied"]) == ("approved", "rejected", None)
    applied = api.post(f"/v1/moderations/{id}/rejudge", {"moderation": "aws_rek_video", "apply": True}).json["applied"]
    assert (applied["rejudges"], applied["status"]) == (id, "pending")
    assert gateway.pipeline.decided(applied["id"]).status is Status.REJECTED
    refused = api.post(f"/v1/moderations/{id}/rejudge", {"moderation": "aws_rek_video:alcohol:0.1"})
    assert (refused.status, refused.json["code"]) == (409, "conflict")


def test_what_waits_is_cancelled_once_and_told(gateway: Gateway, api: JsonApi) -> None:
    urls = [gateway.pipeline.receiver.url]
    manual = gateway.pipeline.when(submit(gateway, api, moderation="manual", notification_urls=urls), Stage.REVIEW)
    said = api.post(f"/v1/moderations/{manual.id}/cancel", {"by": "ada", "reason": "withdrawn"})
    assert (said.status, said.json["status"], said.json["stage"]) == (200, "aborted", "decided")
    assert said.json["error"] == {"code": "cancelled", "message": "withdrawn"}
    told = gateway.pipeline.receiver.wait_for(manual.id, within=20)
    assert told is not None
    assert told.payload["moderation_error"]["code"] == "cancelled"
    again = api.post(f"/v1/moderations/{manual.id}/cancel")
    assert (again.status, again.json["code"]) == (409, "conflict")


def test_a_job_that_runs_keeps_its_slot_when_it_is_cancelled_and_judges_nothing(gateway: Gateway, api: JsonApi) -> None:
    gateway.pipeline.endpoint.tell(WEAPONS.model_copy(update={"seconds": 1.5}))
    id = submit(gateway, api)
    gateway.pipeline.when(id, Stage.ANALYSING)
    assert api.post(f"/v1/moderations/{id}/cancel").json["status"] == "aborted"
    with read(gateway.services.engine) as conn:
        in_use = pools.in_use(conn, REGION)
    early = api.post(f"/v1/moderations/{id}/retry")
    assert (in_use, early.status) == (1, 409)
    ended = gateway.pipeline.decided(id)
    assert (ended.status, ended.error_code) == (Status.ABORTED, "cancelled")
    assert (ended.verdict or {})["status"] == "rejected"
    assert _placed(gateway, ended.asset_id, Placement.LIBRARY)
    # What was paid for is not paid for again.
    begun = api.post(f"/v1/moderations/{id}/retry").json
    assert (begun["status"], begun["stage"], begun["retries"], begun["error"]) == ("pending", "judging", 1, None)
    judged = gateway.pipeline.decided(id)
    assert (judged.status, judged.attempt) == (Status.REJECTED, 1)
    eventually(lambda: _placed(gateway, judged.asset_id, Placement.QUARANTINE))


def test_what_is_cancelled_while_rekognition_refuses_its_job_is_not_queued_again(
    gateway: Gateway, api: JsonApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, tag: str, **__: object) -> str:
        assert api.post(f"/v1/moderations/{tag}/cancel").status == 200
        raise errors.SlotsExhausted("others use the quota")

    monkeypatch.setattr(Rekognition, "start", refuse)
    ended = gateway.pipeline.decided(submit(gateway, api))
    assert (ended.status, ended.attempt, ended.due_at) == (Status.ABORTED, 0, None)


def test_an_override_does_not_wait_for_labels_that_are_gone(gateway: Gateway, api: JsonApi) -> None:
    id = decided(gateway, api)
    gateway.services.media.delete(Location(bucket="clipwarden", key=_row(gateway, id).labels_key or ""))
    assert api.post(f"/v1/moderations/{id}/override", {"verdict": "rejected"}).json["status"] == "rejected"


def test_an_aborted_moderation_is_begun_anew_and_its_callback_says_so(gateway: Gateway, api: JsonApi) -> None:
    missing = "s3://clipwarden/in/late.mp4"
    asked = {"source": missing, "notification_urls": [gateway.pipeline.receiver.url]}
    id = api.post("/v1/moderations", asked).json["id"]
    aborted = gateway.pipeline.decided(id)
    assert (aborted.status, aborted.error_code) == (Status.ABORTED, "media_not_found")
    gateway.pipeline.put(gateway.pipeline.clips("plain"), key="in/late.mp4")
    begun = api.post(f"/v1/moderations/{id}/retry", {"by": "ada"})
    assert (begun.status, begun.json["status"], begun.json["stage"]) == (200, "pending", "intake")
    assert gateway.pipeline.decided(id).status is Status.APPROVED
    bodies = [json.loads(delivery.body) for delivery in gateway.pipeline.deliveries(id)]
    assert [(body["moderation_status"], body.get("moderation_retries")) for body in bodies] == [
        ("aborted", None),
        ("approved", 1),
    ]
    refused = api.post(f"/v1/moderations/{id}/retry")
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    actions = [event["action"] for event in api.get(f"/v1/moderations/{id}/audit").json["items"]]
    assert actions == ["aborted", "retried", "approved"]


def test_a_humans_verdict_is_neither_cancelled_nor_begun_anew(gateway: Gateway, api: JsonApi) -> None:
    id = decided(gateway, api)
    api.post(f"/v1/moderations/{id}/override", {"verdict": "rejected"})
    before = _row(gateway, id)
    assert [api.post(f"/v1/moderations/{id}/{call}").status for call in ("cancel", "retry")] == [409, 409]
    assert _row(gateway, id) == before


def test_to_cancel_one_moderation_leaves_the_others_of_the_asset_in_force(gateway: Gateway, api: JsonApi) -> None:
    gateway.pipeline.endpoint.tell(WEAPONS.model_copy(update={"seconds": 1.5}))
    judged = submit(gateway, api, public_id="clip")
    gateway.pipeline.when(judged, Stage.ANALYSING)
    manual = api.post("/v1/moderations", {"public_id": "clip", "moderation": "manual"}).json["id"]
    assert api.post(f"/v1/moderations/{manual}/cancel").status == 200
    assert gateway.pipeline.decided(judged).status is Status.REJECTED
    eventually(lambda: _placed(gateway, _row(gateway, judged).asset_id, Placement.QUARANTINE))
