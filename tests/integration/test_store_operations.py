"""One look shows how an installation fares: what waits, since when, and what holds it up."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from clipwarden import ids
from clipwarden.moderation import Delivery, DeliveryStage, Stage, Status
from clipwarden.store import attempts, deliveries, moderations, operations, paces, pools, schema
from clipwarden.store.engine import write
from records import START, account, at, moderation


def test_an_empty_installation_has_no_figures_and_nothing_is_old(engine: Engine) -> None:
    found = operations.look(engine)
    assert (found.stages, found.pools, found.deliveries, found.endpoints) == ([], [], [], {})
    assert (found.age(found.pending_since), found.rates) == (timedelta(0), None)


def test_pools_are_shown_with_what_runs_what_waits_and_what_slows_them(engine: Engine) -> None:
    with write(engine) as conn:
        for name in ("eu", "us"):
            pools.ensure(conn, name, 5, START)
        for stage in (Stage.STARTING, Stage.ANALYSING, Stage.QUEUED, Stage.COLLECTING):
            moderation(conn, stage=stage, pool="eu", now=at(1))
        moderation(conn, stage=Stage.DECIDED, status=Status.APPROVED, pool="us", now=at(0))
        pools.lower(conn, "eu", now=at(2), wait=60)
        paces.slow_down(conn, "eu", paces.Call.START, now=at(2))
        found = operations.operations(conn, now=at(11))
    eu, us = found.pools
    assert (eu.slots, eu.limit, eu.in_use, eu.waiting, eu.probe_at) == (5, 1, 2, 1, at(62))
    assert 0.5 < eu.start_pace < 1.0 == eu.get_pace
    assert (us.slots, us.limit, us.in_use, us.waiting, us.probe_at) == (5, 5, 0, 0, None)
    assert found.age(found.pending_since) == timedelta(seconds=10)
    assert {one.stage: (one.count, one.oldest) for one in found.stages} == {
        Stage.STARTING: (1, at(1)),
        Stage.ANALYSING: (1, at(1)),
        Stage.QUEUED: (1, at(1)),
        Stage.COLLECTING: (1, at(1)),
    }


def test_callbacks_and_their_endpoints_are_counted(engine: Engine) -> None:
    with write(engine) as conn:
        about: dict[str, Any] = {"account_id": account(conn).id, "event": "e", "body": "{}", "now": at(0)}
        for number, url in enumerate(["https://a.example/", "https://a.example/", "https://b.example/"]):
            deliveries.add(conn, id=ids.new_id(), url=url, sequence=number, due_at=at(0), **about)
        state = schema.endpoint_states
        conn.execute(sa.update(state).where(state.c.origin == "https://b.example:443").values(disabled_at=at(1)))
        deliveries.add(conn, id=ids.new_id(), url="https://b.example/", sequence=9, due_at=at(1), **about)
        found = operations.operations(conn, now=at(5))
        conn.execute(sa.update(schema.deliveries).values(stage="delivered", due_at=None))
        later = operations.operations(conn, now=at(6))
    counted = {one.stage: one.count for one in found.deliveries}
    assert counted == {DeliveryStage.WAITING: 3, DeliveryStage.FAILED: 1}
    assert found.endpoints == {"well": 1, "disabled": 1}
    assert later.deliveries == []


def test_rates_are_of_what_has_happened_since_the_look_before(engine: Engine) -> None:
    with write(engine) as conn:
        moderation(conn, now=at(0))
        ended = moderation(conn, stage=Stage.DECIDED, status=Status.APPROVED, now=at(0))
        now = operations.operations(conn, now=at(20), since=at(10))
        assert now.rates == operations.Rates(accepted=0, decided=0, delivered=0)
        moderations.override(conn, ended.id, status=Status.REJECTED, by="ada", now=at(11))
        about = {"account_id": ended.account_id, "moderation_id": ended.id, "event": "e", "body": "{}"}
        deliveries.add(conn, id=ids.new_id(), url="https://a.example/", sequence=1, due_at=at(0), now=at(12), **about)
        (told,) = deliveries.of_moderation(conn, ended.id)
        attempts.record(conn, [_attempt(told, status) for status in (200, 204, 302, 410, 500)])
        for _ in range(5):
            moderation(conn, now=at(15))
        now = operations.operations(conn, now=at(20), since=at(10))
        assert now.rates == operations.Rates(accepted=0.5, decided=0.1, delivered=0.2)
        assert operations.operations(conn, now=at(20), since=at(20)).rates is None


def _attempt(of: Delivery, status: int) -> dict[str, Any]:
    answered: dict[str, Any] = {"status": status, "response_headers": {}, "response_body": b"", "seconds": 0.1}
    error = None if 200 <= status < 300 else f"the receiver answered {status}"
    return attempts.entry(of, request_headers={}, error=error, now=at(13), **answered)
