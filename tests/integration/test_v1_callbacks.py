"""Programs say who is told of events, look at what was told, and have it told once more, through the JSON API."""

import json
from typing import Any

from standardwebhooks import Webhook

from clipwarden.samples import Sample
from clipwarden.store import accounts
from clipwarden.store.engine import write
from clipwarden_local.receiver import Answer
from fixtures.gateway import Gateway
from fixtures.pipeline import SECRET
from json_api import JsonApi, Reply
from waiting import eventually

URL = "https://shop.example/in"


def made(api: JsonApi, **asked: str) -> dict[str, Any]:
    reply = api.post("/v1/endpoints", {"url": URL, **asked})
    assert reply.status == 201, reply.json
    said: dict[str, Any] = reply.json
    return said


def patch(api: JsonApi, id: str, said: str) -> Reply:
    return api.send("PATCH", f"/v1/endpoints/{id}", said.encode())


def ended(api: JsonApi, id: str) -> dict[str, Any]:
    """Return a delivery once nothing more is to be attempted."""

    def reached() -> dict[str, Any] | None:
        found: dict[str, Any] = api.get(f"/v1/deliveries/{id}").json
        return found if found["stage"] in ("delivered", "failed") else None

    found = eventually(reached, within=20)
    assert found is not None
    return found


def test_an_endpoint_is_made_changed_switched_off_and_forgotten(api: JsonApi) -> None:
    one = made(api)
    assert (one["url"], one["event_type"], one["enabled"], one["own_secret"], one["server"]) == (
        *(URL, "all", True, False),
        None,
    )
    assert api.post("/v1/endpoints", {"url": URL}).status == 409
    assert made(api, event_type="upload")["id"] != one["id"]
    assert one["id"] in {found["id"] for found in api.get("/v1/endpoints").json["items"]}
    moved = patch(api, one["id"], '{"url": "https://shop.example/other", "enabled": false}').json
    assert (moved["url"], moved["enabled"], moved["disabled_reason"]) == (
        "https://shop.example/other",
        False,
        "by hand",
    )
    assert patch(api, one["id"], '{"enabled": true}').json["enabled"]
    asked = patch(api, one["id"], '{"event_type": "moderation"}').json
    assert (asked["event_type"], asked["url"]) == ("moderation", moved["url"])
    made(api, url=moved["url"])
    assert patch(api, one["id"], '{"event_type": "all"}').status == 409
    assert [patch(api, one["id"], said).status for said in ("{}", '{"event_type": "default"}')] == [422, 422]
    assert api.get(f"/v1/endpoints/{one['id']}").json["url"] == "https://shop.example/other"
    assert api.send("DELETE", f"/v1/endpoints/{one['id']}", None).json["id"] == one["id"]
    assert api.get(f"/v1/endpoints/{one['id']}").status == 404


NEVER_CALLED = (
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:10.0.0.1]/",
    "http://0x7f.0.0.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://ann:hidden@shop.example/",
    "http://shop.example:0/",
    "ftp://shop.example/",
    "https://shop.example/a,b",
    "https://shop.example/\\@10.0.0.1",
    "https://",
)


def test_what_is_never_called_cannot_be_an_endpoint(api: JsonApi) -> None:
    one = made(api)
    for url in NEVER_CALLED:
        said = json.dumps({"url": url})
        for reply in (api.send("POST", "/v1/endpoints", said.encode()), patch(api, one["id"], said)):
            assert reply.status == 422, reply.json
            assert "hidden" not in reply.data.decode()


def test_a_test_event_is_delivered_signed_and_on_record(gateway: Gateway, api: JsonApi) -> None:
    receiver = gateway.pipeline.receiver
    one = made(api, url=receiver.url)
    sent = api.post(f"/v1/endpoints/{one['id']}/test", {"by": "ann"})
    assert (sent.status, sent.json["event"], sent.json["stage"]) == (201, "test", "waiting")
    found = ended(api, sent.json["id"])
    assert (found["stage"], found["last_status"], found["attempts"]) == ("delivered", 200, 1)
    assert [(attempt["status"], attempt["error"]) for attempt in found["log"]] == [(200, None)]
    assert "webhook-signature" not in {name.lower() for name in found["log"][0]["request_headers"]}
    (call,) = receiver.received
    (secret,) = api.get(f"/v1/endpoints/{one['id']}/secrets").json["secrets"]
    told = Webhook(secret).verify(call.body, dict(call.headers))
    assert call.verified
    assert (told["notification_type"], told["notification_context"]["triggered_by"]["id"]) == ("test", "ann")
    assert call.headers["webhook-id"] == found["id"]
    assert api.get(f"/v1/endpoints/{one['id']}").json["server"]["state"] == "well"


def test_a_test_may_be_told_as_any_event(gateway: Gateway, api: JsonApi) -> None:
    one = made(api, url=gateway.pipeline.receiver.url)
    for sample in Sample:
        sent = api.post(f"/v1/endpoints/{one['id']}/test", {"sample": sample}).json
        assert ended(api, sent["id"])["event"] == "test"
    told = [call.payload for call in gateway.pipeline.receiver.received]
    assert [(one["notification_type"], one["test"]) for one in told] == [(sample, True) for sample in Sample]
    assert api.post(f"/v1/endpoints/{one['id']}/test", {"sample": "upload"}).status == 422


def test_a_secret_is_replaced_while_the_one_before_still_signs(gateway: Gateway, api: JsonApi) -> None:
    one = made(api, url=gateway.pipeline.receiver.url)
    shared = api.get("/v1/secrets").json["secrets"]
    rotated = api.post(f"/v1/endpoints/{one['id']}/rotate", Idempotency_Key="once")
    assert api.post(f"/v1/endpoints/{one['id']}/rotate", Idempotency_Key="once").data == rotated.data
    new, old = api.get(f"/v1/endpoints/{one['id']}/secrets").json["secrets"]
    assert ([old], new not in rotated.data.decode()) == (shared, True)
    ended(api, api.post(f"/v1/endpoints/{one['id']}/test").json["id"])
    (call,) = gateway.pipeline.receiver.received
    for secret in (new, old):
        Webhook(secret).verify(call.body, dict(call.headers))
    assert api.get("/v1/secrets").json["secrets"] == shared
    assert api.post("/v1/secrets/rotate").status == 200
    assert api.get("/v1/secrets").json["secrets"][1:] == shared


def test_deliveries_are_found_and_sent_again(gateway: Gateway, api: JsonApi) -> None:
    receiver = gateway.pipeline.receiver
    one = made(api, url=receiver.url)
    receiver.answer_next(Answer(status=404, headers={"X-Trace": "t-1"}), times=4)
    ids = []
    for _ in range(3):
        ids.append(api.post(f"/v1/endpoints/{one['id']}/test").json["id"])
        ended(api, ids[-1])
    failed = api.get("/v1/deliveries?stage=failed&event=test").json["items"]
    assert [found["id"] for found in failed] == ids[:1]
    assert [attempt["response_headers"]["x-trace"] for attempt in ended(api, ids[0])["log"]] == ["t-1"] * 4
    first = api.get("/v1/deliveries?limit=2").json
    rest = api.get(f"/v1/deliveries?limit=2&cursor={first['next']}").json
    assert [found["id"] for found in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
    assert api.post(f"/v1/deliveries/{ids[0]}/replay").json["stage"] == "waiting"
    assert ended(api, ids[0])["stage"] == "delivered"

    assert api.post("/v1/deliveries/replay", {}).status == 422
    asked = {"event": "test", "url": receiver.url[:12] + "*"}
    replayed = api.post("/v1/deliveries/replay", asked).json
    assert (replayed["replayed"], replayed["more"]) == (3, False)
    assert {ended(api, id)["stage"] for id in ids} == {"delivered"}
    again = api.post("/v1/deliveries/replay", asked | {"as_of": replayed["as_of"]}).json
    assert again["replayed"] == 0
    ahead = api.post("/v1/deliveries/replay", asked | {"as_of": "2999-01-01T00:00:00Z"}).json
    assert (ahead["replayed"], ahead["as_of"] < "2999") == (3, True)
    assert {ended(api, id)["stage"] for id in ids} == {"delivered"}
    assert len({call.body for call in receiver.received if call.headers["webhook-id"] == ids[1]}) == 1


def test_deliveries_are_found_by_endpoint_and_asset(gateway: Gateway, api: JsonApi, stranger: JsonApi) -> None:
    receiver = gateway.pipeline.receiver
    one = made(api, url=receiver.url + "/a")
    test = api.post(f"/v1/endpoints/{one['id']}/test").json["id"]
    moderation = gateway.pipeline.submit()
    asset = gateway.pipeline.decided(moderation).asset_id.replace("-", "")

    def found(asked: str, by: JsonApi = api) -> list[str]:
        return [delivery["id"] for delivery in by.get(f"/v1/deliveries?{asked}").json["items"]]

    (told,) = found(f"asset_id={asset}")
    assert ended(api, told)["asset_id"] == asset
    assert found(f"moderation_id={moderation}") == [told]
    assert found(f"endpoint_id={one['id']}") == [test]
    assert found(f"asset_id={asset}", stranger) == []
    refused = stranger.get(f"/v1/deliveries?endpoint_id={one['id']}")
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "?endpoint_id")
    assert api.get(f"/v1/deliveries?endpoint_id={one['id']}&url=x").status == 422
    ended(api, test)
    assert api.post("/v1/deliveries/replay", {"endpoint_id": one["id"]}).json["replayed"] == 1
    assert ended(api, test)["stage"] == "delivered"


def test_the_accounts_own_url_is_an_endpoint_that_stays(gateway: Gateway, api: JsonApi) -> None:
    services, receiver = gateway.services, gateway.pipeline.receiver
    with write(services.engine) as conn:
        about: dict[str, Any] = {"api_key": "key", "api_secret": SECRET, "now": services.clock.now()}
        accounts.ensure(conn, name="default", notification_url=receiver.url, **about)
    (own,) = api.get("/v1/endpoints").json["items"]
    assert (own["url"], own["event_type"]) == (receiver.url, "default")
    assert api.send("DELETE", f"/v1/endpoints/{own['id']}", None).status == 409
    assert patch(api, own["id"], json.dumps({"url": URL})).status == 409
    assert api.post("/v1/endpoints", {"url": URL, "event_type": "default"}).status == 422
    moderation = gateway.pipeline.submit(notification_url=None)
    gateway.pipeline.decided(moderation)
    (told,) = api.get(f"/v1/deliveries?moderation_id={moderation}").json["items"]
    assert (told["event"], ended(api, told["id"])["stage"]) == ("moderation", "delivered")


def test_an_endpoint_that_was_given_up_is_called_again_once_it_is_enabled(gateway: Gateway, api: JsonApi) -> None:
    receiver = gateway.pipeline.receiver
    one = made(api, url=receiver.url)
    receiver.answer_next(Answer(status=410))
    gone = api.post(f"/v1/endpoints/{one['id']}/test").json["id"]
    assert ended(api, gone)["last_status"] == 410
    found = api.get(f"/v1/endpoints/{one['id']}").json
    assert (found["enabled"], found["disabled_reason"] is not None) == (False, True)
    assert patch(api, one["id"], '{"enabled": true}').json["enabled"]
    assert api.post(f"/v1/deliveries/{gone}/replay").status == 200
    assert ended(api, gone)["stage"] == "delivered"


def test_of_another_accounts_nothing_is_seen_or_sent(gateway: Gateway, api: JsonApi, stranger: JsonApi) -> None:
    one = made(api, url=gateway.pipeline.receiver.url)
    delivery = api.post(f"/v1/endpoints/{one['id']}/test").json["id"]
    ended(api, delivery)
    endpoint = f"/v1/endpoints/{one['id']}"
    for path in (f"{endpoint}/test", f"{endpoint}/rotate", f"/v1/deliveries/{delivery}/replay"):
        assert stranger.post(path).status == 404
    for path in (endpoint, f"{endpoint}/secrets", f"/v1/deliveries/{delivery}"):
        assert stranger.get(path).status == 404
    assert patch(stranger, one["id"], '{"enabled": false}').status == 404
    assert stranger.send("DELETE", endpoint, None).status == 404
    assert stranger.get("/v1/endpoints").json["items"] == stranger.get("/v1/deliveries").json["items"] == []
    assert stranger.post("/v1/deliveries/replay", {"event": "test"}).json["replayed"] == 0
    assert len(gateway.pipeline.receiver.received) == 1
