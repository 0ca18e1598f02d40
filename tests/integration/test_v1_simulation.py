"""Programs ask through the JSON API what another policy would have decided about their account's moderations."""

from typing import Any

import pytest
import sqlalchemy as sa

from clipwarden.moderation import Location
from clipwarden.store import gists, presets, schema
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from fixtures.gateway import Gateway
from fixtures.pipeline import SECRET
from json_api import JsonApi, Reply

WEAPONS = Script.model_validate({"labels": [{"at": 500, "path": ["Violence", "Weapons"], "confidence": 70}]})
STRICT, LAX = "aws_rek_video", "aws_rek_video:weapons:0.8"


def simulated(gateway: Gateway, policy: str = LAX, **asked: Any) -> Reply:
    api = JsonApi(url=gateway.url, key=asked.pop("key", "key"), secret=asked.pop("secret", SECRET))
    return api.post("/v1/policy/simulate", {"moderation": policy, **asked})


def test_a_policy_is_simulated_over_what_the_account_had_moderated(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    pipeline = gateway.pipeline
    pipeline.endpoint.tell(WEAPONS)
    first, second = (
        pipeline.decided(pipeline.submit(clip, moderation="aws_rek_video:min_confidence:0.1"))
        for clip in ("plain", "rotated")
    )
    api = JsonApi(url=gateway.url)
    assert api.post(f"/v1/moderations/{first.id}/override", {"verdict": "approved"}).status == 200
    with read(gateway.services.engine) as conn:
        assert gists.of(conn, second.labels_key or "") is not None
        before = conn.execute(sa.select(schema.moderations).order_by(schema.moderations.c.id)).all()
    reply = simulated(gateway)
    assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
    told = reply.json
    assert (told["moderation"], told["examined"], told["judged"], told["ended"]) == (LAX, 2, 2, "all")
    assert told["verdicts"]["rejected_to_approved"] == 2
    assert told["humans"]["present"] == {"agrees": 0, "too_strict": 1, "too_lax": 0}
    assert told["humans"]["other"] == {"agrees": 1, "too_strict": 0, "too_lax": 0}
    assert [(one["id"], one["human"]) for one in told["flips"]] == [(second.id, None), (first.id, "approved")]
    assert (
        api.get(f"/v1/moderations/{told['flips'][0]['id']}").json["asset"]["asset_id"] == told["flips"][0]["asset_id"]
    )
    assert simulated(gateway, STRICT).json["verdicts"] == {
        "still_approved": 0,
        "still_rejected": 2,
        "approved_to_rejected": 0,
        "rejected_to_approved": 0,
    }
    part = simulated(gateway, last=1).json
    assert (part["ended"], simulated(gateway, cursor=part["next"]).json["flips"][0]["id"]) == ("last", first.id)
    theirs = {"key": neighbour["api_key"], "secret": neighbour["api_secret"]}
    for cursor in (None, part["next"]):
        assert simulated(gateway, cursor=cursor, **theirs).json["examined"] == 0
    with read(gateway.services.engine) as conn:
        assert conn.execute(sa.select(schema.moderations).order_by(schema.moderations.c.id)).all() == before


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_was_judged_before_there_were_gists_is_judged_by_its_labels(gateway: Gateway) -> None:
    pipeline = gateway.pipeline
    pipeline.endpoint.tell(WEAPONS)
    judged = pipeline.decided(pipeline.submit(notification_url=None))
    with write(gateway.services.engine) as conn:
        conn.execute(sa.delete(schema.gists))
    assert simulated(gateway).json["verdicts"]["rejected_to_approved"] == 1
    gateway.services.media.delete(Location(bucket="clipwarden", key=judged.labels_key or ""))
    assert simulated(gateway).json["unjudged"]["labels_gone"] == 1
    assert simulated(gateway, "aws_rek_video:weapons:0.2").json["unjudged"]["labels_insufficient"] == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_cannot_be_simulated_is_refused_with_the_field(gateway: Gateway) -> None:
    services = gateway.services
    with read(services.engine) as conn:
        owner = conn.execute(sa.select(schema.accounts.c.id).where(schema.accounts.c.name == "default")).scalar_one()
    with write(services.engine) as conn:
        for name, moderation in (("site", LAX), ("none", "manual")):
            options = {"moderation": moderation}
            presets.ensure(conn, account_id=owner, name=name, options=options, now=services.clock.now())
    assert simulated(gateway, preset="site").status == 200
    for asked, pointer in (
        ({"preset": "none"}, "/preset"),
        ({"preset": "unknown"}, "/preset"),
        ({"cursor": "A" * 31}, "/cursor"),
        ({"last": 100_001}, "/last"),
        ({"flips": -1}, "/flips"),
    ):
        refused = simulated(gateway, **asked)
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer)
    wrong = simulated(gateway, "aws_rek_video:alcohl:0.5")
    assert (wrong.status, wrong.json["code"]) == (422, "invalid_policy")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_one_process_simulates_one_policy_at_a_time(gateway: Gateway) -> None:
    with gateway.services.simulating:
        busy = simulated(gateway)
    assert (busy.status, busy.json["code"], busy.headers["Retry-After"]) == (503, "overloaded", "1")
    assert simulated(gateway).status == 200
