"""The commands about callbacks, on a database that no worker works on."""

import json
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from clipwarden import ids
from clipwarden.cli.main import main
from clipwarden.moderation import Delivery, DeliveryStage
from clipwarden.store import attempts, deliveries, endpoint_states, endpoints, leases, replays, schema
from clipwarden.store.engine import read, write
from records import START, account, at

URL = "https://shop.example/in"


@pytest.fixture
def told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[Delivery]:
    """Make three deliveries of an account: one failed, one delivered, one waiting."""
    monkeypatch.setenv("CLIPWARDEN_DATABASE__URL", engine.url.render_as_string(hide_password=False))
    stages = (DeliveryStage.FAILED, DeliveryStage.DELIVERED, DeliveryStage.WAITING)
    made = [ids.new_id() for _ in stages]
    with write(engine) as conn:
        owner = account(conn, "shop")
        for number, (id, stage) in enumerate(zip(made, stages, strict=True)):
            about: dict[str, Any] = {"event": "moderation", "sequence": number, "url": f"{URL}?{number}", "body": "{}"}
            deliveries.add(conn, id=id, account_id=owner.id, due_at=at(number), now=at(number), **about)
            if stage is not DeliveryStage.WAITING:
                leases.advance(
                    conn,
                    schema.deliveries,
                    id,
                    fence=0,
                    now=at(9),
                    stage=stage,
                    due_at=None,
                    attempt=9,
                    last_status=500,
                )
        failed = deliveries.by_id(conn, made[0])
        assert failed is not None
        entry = attempts.entry(
            failed,
            request_headers={"webhook-id": failed.id, "webhook-signature": "v1,secret"},
            status=500,
            response_headers={"server": "x\0y"},
            response_body=b"\xff" + b"a" * 9000 + b"\0",
            seconds=0.25,
            error="the receiver answered 500",
            now=at(9),
        )
        attempts.record(conn, [entry])
        found = [deliveries.by_id(conn, id) for id in made]
    return [one for one in found if one is not None]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    captured = capsys.readouterr()
    return json.loads(captured.out if ended.value.code == 0 else captured.err)


def test_callbacks_are_listed_by_what_they_are(told: list[Delivery], capsys: pytest.CaptureFixture[str]) -> None:
    failed, delivered, waiting = (one.id for one in told)
    page = run(capsys, "deliveries", "list", "--account", "shop", "--limit", "2")
    assert [one["id"] for one in page["deliveries"]] == [waiting, delivered]
    rest = run(capsys, "deliveries", "list", "--after", page["next"])
    assert ([one["id"] for one in rest["deliveries"]], rest["next"]) == ([failed], None)
    for words, expected in (
        (("--stage", "failed"), [failed]),
        (("--url", f"{URL}*"), [waiting, delivered, failed]),
        (("--url", f"{URL}?1"), [delivered]),
        (("--event", "upload"), []),
        (("--asset", "0" * 32), []),
        (("--since", at(1).isoformat()), [waiting, delivered]),
        (("--until", at(1).isoformat()), [failed]),
    ):
        found = run(capsys, "deliveries", "list", *words)
        assert [one["id"] for one in found["deliveries"]] == expected, words


def test_a_callback_is_shown_with_its_attempts(told: list[Delivery], capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(capsys, "deliveries", "show", told[0].id)
    (attempt,) = shown["log"]
    assert (attempt["status"], attempt["seconds"], shown["body"]) == (500, 0.25, "{}")
    assert attempt["request_headers"] == {"webhook-id": told[0].id}
    assert attempt["response_body"].startswith("\N{REPLACEMENT CHARACTER}aaa")
    assert len(attempt["response_body"]) == attempts.KEPT


def test_replays_are_asked_for_one_by_one_or_by_filter(
    told: list[Delivery], engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "deliveries", "replay")["error"]["code"] == "conflict"
    assert run(capsys, "deliveries", "replay", told[0].id) == {"replayed": 1}
    assert run(capsys, "deliveries", "replay", "--stage", "delivered", "--account", "shop") == {"replayed": 1}
    assert run(capsys, "deliveries", "replay", "--stage", "failed") == {"replayed": 0}
    with read(engine) as conn:
        assert {one.stage for one in deliveries.counts(conn)} == {DeliveryStage.WAITING}
        again = deliveries.by_id(conn, told[0].id)
    assert again is not None
    assert (again.attempt, again.last_status) == (0, None)


def test_what_a_disabled_endpoint_missed_is_replayed_once_it_is_enabled(
    told: list[Delivery], engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with write(engine) as conn:
        disabled = {"disabled_at": START, "disabled_reason": "failing"}
        conn.execute(schema.endpoint_states.update().values(**disabled))
    assert run(capsys, "deliveries", "replay", told[0].id)["error"]["code"] == "conflict"
    assert run(capsys, "deliveries", "replay", "--stage", "failed") == {"replayed": 0}
    listed = run(capsys, "endpoints", "list", "shop")
    assert [(one["origin"], one["state"]) for one in listed["states"]] == [("https://shop.example:443", "disabled")]
    assert run(capsys, "endpoints", "enable", "shop", URL)["changed"]
    assert run(capsys, "deliveries", "replay", "--stage", "failed") == {"replayed": 1}


def test_secrets_are_shown_and_replaced(
    told: list[Delivery], engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(capsys, "endpoints", "secret", "shop")
    fresh = run(capsys, "endpoints", "rotate", "shop")
    assert run(capsys, "endpoints", "secret", "shop") == {"webhook_secret": fresh["webhook_secret"], "signs_too": 1}
    assert first["webhook_secret"] != fresh["webhook_secret"]
    assert run(capsys, "endpoints", "rotate", "shop", "--url", URL)["error"]["code"] == "not_found"
    with write(engine) as conn:
        endpoints.create(conn, account_id=told[0].account_id, url=URL, event_type="all", now=START)
    own = run(capsys, "endpoints", "rotate", "shop", "--url", URL)
    assert run(capsys, "endpoints", "secret", "shop", "--url", URL)["webhook_secret"] == own["webhook_secret"]
    stored = "SELECT coalesce(secret, '') FROM endpoints UNION ALL SELECT coalesce(webhook_secret, '') FROM accounts"
    with read(engine) as conn:
        kept = " ".join(conn.exec_driver_sql(stored).scalars())
        assert endpoint_states.of_account(conn, told[0].account_id)
    sealed = engine.dialect.name == "sqlite"  # Which has a key beside it; the other has none here.
    assert ("whsec_" in kept) is not sealed


def test_a_test_event_that_nobody_sends_is_said_to_wait(
    told: list[Delivery], engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    del told
    with pytest.raises(SystemExit) as ended:
        main(["endpoints", "test", "shop", URL, "--wait", "0"])
    said = capsys.readouterr().out
    assert (ended.value.code, "nobody has sent it yet" in said) == (1, True)
    with read(engine) as conn:
        (newest, *_), _ = replays.page(conn, replays.Search(event="test"), limit=10)
    assert (newest.url, newest.stage, newest.id in said) == (URL, DeliveryStage.WAITING, True)


def test_a_test_event_needs_a_url(told: list[Delivery], capsys: pytest.CaptureFixture[str]) -> None:
    del told
    with pytest.raises(SystemExit):
        main(["endpoints", "test", "shop"])
    assert "has no notification URL: name one" in capsys.readouterr().err


def test_an_endpoint_is_added_once_and_removed(told: list[Delivery], capsys: pytest.CaptureFixture[str]) -> None:
    del told
    added = run(capsys, "endpoints", "add", "shop", URL, "--event", "moderation")
    assert added == {"url": URL, "event_type": "moderation"}
    assert "already" in run(capsys, "endpoints", "add", "shop", URL, "--event", "moderation")["error"]["message"]
    assert "not public" in run(capsys, "endpoints", "add", "shop", "http://10.0.0.1/in")["error"]["message"]
    assert [one["url"] for one in run(capsys, "endpoints", "list", "shop")["endpoints"]] == [URL]
    assert run(capsys, "endpoints", "remove", "shop", URL, "--event", "moderation")["removed"]
    assert "is not told" in run(capsys, "endpoints", "remove", "shop", URL)["error"]["message"]
