"""Callbacks through a whole pipeline: signed twice, by a schedule, and none held up by another's receiver."""

import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from clipwarden import decisions
from clipwarden.moderation import Account, Delivery, DeliveryStage, EndpointState, Status
from clipwarden.store import accounts, attempts, endpoint_states, endpoints, replays
from clipwarden.store.engine import read, write
from clipwarden_local.receiver import Answer, Receiver
from fixtures.pipeline import SECRET, Pipeline
from waiting import eventually


def tenant(pipeline: Pipeline) -> Account:
    with read(pipeline.services.engine) as conn:
        account = accounts.by_name(conn, "default")
    assert account is not None
    return account


def ended(pipeline: Pipeline, moderation_id: str, stage: DeliveryStage = DeliveryStage.DELIVERED) -> list[Delivery]:
    """Return a moderation's deliveries once all have come to a stage."""

    def reached() -> list[Delivery] | None:
        found = pipeline.deliveries(moderation_id)
        return found if found and {one.stage for one in found} == {stage} else None

    found = eventually(reached, within=20)
    assert found is not None
    return found


def state(pipeline: Pipeline, url: str) -> EndpointState:
    with read(pipeline.services.engine) as conn:
        states = endpoint_states.of_account(conn, tenant(pipeline).id)
    return next(one for one in states if one.origin == endpoint_states.origin(url))


def test_every_attempt_carries_both_signatures_and_is_on_record_without_them(pipeline: Pipeline) -> None:
    pipeline.receiver.answer_next(Answer(status=500, headers={"X-Trace": "t-1"}))
    moderation_id = pipeline.submit()
    (delivery,) = ended(pipeline, moderation_id)
    key = tenant(pipeline).webhook_secret
    assert key is not None
    first, second = pipeline.receiver.received
    for call in (first, second):
        assert call.verified
        assert Webhook(key).verify(call.body, dict(call.headers))["moderation_id"] == moderation_id
        assert call.body == delivery.body.encode()
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery.id
    with read(pipeline.services.engine) as conn:
        log = attempts.of_delivery(conn, delivery.id)
    assert [(one.attempt, one.status, bool(one.error)) for one in log] == [(1, 500, True), (2, 200, False)]
    assert (log[0].response_headers or {})["x-trace"] == "t-1"
    assert {"webhook-id", "webhook-timestamp"} <= log[0].request_headers.keys()
    said = json.dumps([one.request_headers for one in log])
    assert not [call for call in (first, second) if call.headers["webhook-signature"] in said]
    assert SECRET not in said


def test_while_a_secret_is_replaced_the_old_one_signs_too(pipeline: Pipeline) -> None:
    account, services = tenant(pipeline), pipeline.services
    now = services.clock.now()
    with write(services.engine) as conn:
        fresh = endpoints.rotate(conn, account, None, until=now.replace(year=now.year + 1), now=now)
    moderation_id = pipeline.submit()
    ended(pipeline, moderation_id)
    (call,) = pipeline.receiver.received
    for key in (fresh, account.webhook_secret or ""):
        assert Webhook(key).verify(call.body, dict(call.headers))


def test_an_endpoint_may_have_a_secret_of_its_own(pipeline: Pipeline) -> None:
    account, services = tenant(pipeline), pipeline.services
    now, url = services.clock.now(), pipeline.receiver.url + "?own"
    with write(services.engine) as conn:
        endpoints.create(conn, account_id=account.id, url=url, event_type="moderation", now=now)
        own = endpoints.rotate(conn, account, url, until=now, now=now)
    ended(pipeline, pipeline.submit())
    (listed,) = ended(pipeline, pipeline.submit(notification_url=None))
    assert listed.url == url
    keys = {call.path: own if "own" in call.path else account.webhook_secret for call in pipeline.receiver.received}
    assert len(keys) == 2
    for call in pipeline.receiver.received:
        assert Webhook(keys[call.path] or "").verify(call.body, dict(call.headers))


def test_an_endpoint_that_is_gone_is_told_no_more_and_another_one_of_the_account_hears_of_it(
    pipeline: Pipeline,
) -> None:
    account, services = tenant(pipeline), pipeline.services
    with Receiver(secret=SECRET) as other, Receiver(secret=SECRET) as gone, write(services.engine) as conn:
        now = services.clock.now()
        for url, event in ((gone.url, "moderation"), (other.url, "endpoint_disabled")):
            endpoints.create(conn, account_id=account.id, url=url, event_type=event, now=now)
        conn.commit()
        gone.answer_next(Answer(status=410), times=2)
        first = pipeline.submit(notification_url=None)
        eventually(lambda: other.received, within=20)
        assert other.received[0].payload["notification_type"] == "endpoint_disabled"
        assert (other.received[0].payload["endpoint"], other.received[0].verified) == (gone.url, True)
        assert {one.url: one.stage for one in pipeline.deliveries(first)}[gone.url] is DeliveryStage.FAILED
        second = pipeline.submit(notification_url=None)
        pipeline.decided(second)
        assert pipeline.deliveries(second) == []
        assert len(gone.received) == 1


def test_a_url_that_only_calls_name_is_told_no_more_once_it_is_gone(pipeline: Pipeline) -> None:
    account, services = tenant(pipeline), pipeline.services
    with Receiver(secret=SECRET) as gone:
        gone.answer_next(Answer(status=410))
        first = pipeline.submit(notification_url=gone.url)
        ended(pipeline, first, DeliveryStage.FAILED)
        second = pipeline.submit(notification_url=gone.url)
        pipeline.decided(second)
        assert pipeline.deliveries(second) == []
        with write(services.engine) as conn:
            assert endpoints.of_account(conn, account.id) == []
            assert endpoints.enable(conn, account.id, gone.url, now=services.clock.now())
        ended(pipeline, pipeline.submit(notification_url=gone.url))
        assert len(gone.received) == 2


def test_a_busy_receiver_is_left_alone_for_as_long_as_it_asks(pipeline: Pipeline) -> None:
    pipeline.receiver.answer_next(Answer(status=503, headers={"Retry-After": "1"}))
    ended(pipeline, pipeline.submit())
    first, second = pipeline.receiver.received
    assert (second.at - first.at).total_seconds() >= 0.9


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Let receivers hang for so long that whoever waited for them would be noticed."""
    pipeline_settings["callback"] |= {"total_timeout": 5, "endpoint_tolerance": 3, "endpoint_concurrency": 3}
    return pipeline_settings


def test_a_receiver_that_hangs_holds_up_no_other(pipeline: Pipeline) -> None:
    with Receiver(secret=SECRET) as hanging:
        hanging.answer_next(Answer(hangs=True), times=1000)
        stuck = [pipeline.submit(notification_url=hanging.url) for _ in range(30)]
        for moderation_id in stuck:
            pipeline.decided(moderation_id, within=60)
        eventually(lambda: hanging.received, within=20)
        moderation_id = pipeline.submit()
        ended(pipeline, moderation_id)
        assert len(hanging.received) <= 3
        waiting = [one for id in stuck for one in pipeline.deliveries(id)]
        assert {one.stage for one in waiting} <= {DeliveryStage.WAITING, DeliveryStage.SENDING}


def test_a_failed_callback_is_replayed_under_its_id_and_with_its_body(pipeline: Pipeline) -> None:
    pipeline.receiver.answer_next(Answer(status=404), times=4)
    moderation_id = pipeline.submit()
    (failed,) = ended(pipeline, moderation_id, DeliveryStage.FAILED)
    assert (failed.attempt, failed.last_status) == (4, 404)
    services = pipeline.services
    with write(services.engine) as conn:
        search = replays.Search(stage=DeliveryStage.FAILED, url="http://127.0.0.1*", since=failed.created_at)
        now = services.clock.now()
        assert replays.replay_all(conn, search, limit=1, as_of=now, now=now) == (1, True)
        assert replays.replay_all(conn, search, limit=1, as_of=now, now=now) == (0, False)
    services.wake.set()
    (delivered,) = ended(pipeline, moderation_id)
    assert (delivered.id, delivered.body, delivered.attempt) == (failed.id, failed.body, 1)
    assert len({(call.headers["webhook-id"], call.body) for call in pipeline.receiver.received}) == 1


def test_a_later_decision_about_an_asset_has_a_higher_number(pipeline: Pipeline) -> None:
    moderation_id = pipeline.submit()
    ended(pipeline, moderation_id)
    services = pipeline.services
    with write(services.engine) as conn:
        about: dict[str, Any] = {"labels": (), "public_url": "http://x", "now": services.clock.now()}
        decisions.override(conn, moderation_id, status=Status.REJECTED, by="ann", **about)
    services.wake.set()
    eventually(lambda: len(pipeline.receiver.received) == 2)
    told = {
        call.payload["moderation_status"]: call.payload["moderation_sequence"] for call in pipeline.receiver.received
    }
    assert told == {"approved": 1, "rejected": 2}
