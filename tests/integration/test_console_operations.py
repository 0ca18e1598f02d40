"""What operators see of what runs, and what they can do about it."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from clipwarden import decisions, errors, ids
from clipwarden.moderation import DeliveryStage, Moderation
from clipwarden.people import Role
from clipwarden.store import accounts, attempts, audit, deliveries, endpoint_states, pools, schema, workers
from clipwarden.store.audit import Search
from clipwarden.store.engine import read, write
from clipwarden_api.services import Services
from fixtures.console import Browser, judged, present, user

URL = "https://shop.example/moderated"


@pytest.fixture
def ana(served: Services, browser: Browser) -> Browser:
    user(served.engine, role=Role.ADMIN)
    browser.sign_in()
    return browser


def aborted(served: Services, public_id: str, *, owner: str = "demo") -> Moderation:
    case = judged(served, public_id, owner=owner)
    now = served.clock.now()
    with write(served.engine) as conn:
        c = schema.moderations.c
        again = sa.update(schema.moderations).where(c.id == case.id)
        conn.execute(again.values(stage="analysing", stage_since=now, status="pending", decided_by=None, due_at=now))
    begun = present(served, case.id)
    with write(served.engine) as conn:
        decisions.abort(conn, begun, errors.AnalysisFailed("the stream ended early"), public_url="http://x", now=now)
        conn.execute(sa.delete(schema.deliveries))
    return present(served, case.id)


def told(served: Services, case: Moderation, stage: DeliveryStage = DeliveryStage.FAILED, url: str = URL) -> str:
    now, id = served.clock.now(), ids.new_id()
    about = {"account_id": case.account_id, "moderation_id": case.id, "asset_id": case.asset_id}
    with write(served.engine) as conn:
        deliveries.add(
            conn, id=id, event="moderation", sequence=1, url=url, body='{"a": 1}', due_at=now, now=now, **about
        )
        entry = attempts.entry(
            deliveries.by_id(conn, id),  # type: ignore[arg-type] # it was just added
            request_headers={"x-cld-timestamp": "1", "x-cld-signature": "secret"},
            status=500,
            response_headers={"server": "nginx"},
            response_body=b"<b>no</b>",
            seconds=0.25,
            error="the receiver answered 500",
            now=now,
        )
        attempts.record(conn, [entry])
        c = schema.deliveries.c
        ended = sa.update(schema.deliveries).where(c.id == id)
        conn.execute(
            ended.values(stage=str(stage), due_at=None, last_status=500, last_error="the receiver answered 500")
        )
    return id


def test_pools_stages_failures_and_workers_are_shown(served: Services, ana: Browser) -> None:
    now = served.clock.now()
    here = workers.this_process(["media"])
    with write(served.engine) as conn:
        pools.ensure(conn, "eu-west-1", 20, now)
        conn.execute(sa.update(schema.pools).values(limit=12))
        workers.note(conn, here, now=now)
        workers.note(conn, workers.this_process(["media"]), now=now - timedelta(minutes=2))
    aborted(served, "broken")
    words = ana.get("/console/operations").words
    assert "eu-west-1 0 12 20 0 at full rate; others use 8" in words
    assert "analysis_failed 1" in words
    assert "the stream ended early" in words
    assert f"{here.host} {here.pid} ✓ there" in words
    assert "✕ missing 2 min ago" in words
    assert "broken" in ana.get("/console/?status=aborted&error=analysis_failed").words
    assert "broken" not in ana.get("/console/?status=aborted&error=cancelled").words


def test_with_nothing_there_it_says_what_to_expect(ana: Browser) -> None:
    words = ana.get("/console/operations").words
    assert "No worker runs: nothing is moderated until one does." in words
    assert "Nothing was aborted." in words


def test_a_process_that_ends_is_forgotten_at_once_and_one_that_is_long_gone_later(served: Services) -> None:
    now = served.clock.now()
    old, ended, here = (workers.this_process(["media"]) for _ in range(3))
    with write(served.engine) as conn:
        workers.note(conn, old, now=now - timedelta(days=2))
        workers.note(conn, ended, now=now)
        workers.note(conn, here, now=now)
        workers.note(conn, here, now=now + timedelta(seconds=9))
        workers.forget(conn, ended.id)
        [left] = workers.every(conn)
    assert (left.id, left.started_at, left.seen_at) == (here.id, now, now + timedelta(seconds=9))


def test_a_callback_is_shown_with_its_attempts_and_sent_again(served: Services, ana: Browser) -> None:
    case = judged(served)
    id = told(served, case)
    told(served, case, DeliveryStage.DELIVERED, url="https://other.example/x")
    listing = ana.get("/console/operations/deliveries?stage=failed")
    assert URL in listing.words
    assert "other.example" not in listing.words
    page = ana.get(f"/console/operations/deliveries/{id}")
    assert "the receiver answered 500" in page.words
    assert "&lt;b&gt;no&lt;/b&gt;" in page.text
    assert "secret" not in page.text
    assert "It is sent again" in ana.post(f"/console/operations/deliveries/{id}/replay").words
    with read(served.engine) as conn:
        assert deliveries.by_id(conn, id).stage is DeliveryStage.WAITING  # type: ignore[union-attr]
        events, _ = audit.found(conn, Search(action="replayed"), limit=5, after=None)
    assert [(one.actor, one.detail) for one in events] == [("human:ana", {"delivery": id})]


def test_all_that_match_are_sent_again_after_they_were_counted(served: Services, ana: Browser) -> None:
    case, theirs = judged(served), judged(served, owner="other")
    mine = [told(served, case), told(served, case, url=f"{URL}/2")]
    other = told(served, theirs)
    query = "stage=failed&url=https://shop.example/*"
    assert ana.get(f"/console/operations/deliveries/replay?{query}").status == 422
    assert "Send 2 callbacks again?" in ana.get(f"/console/operations/deliveries/replay?{query}&account=demo").words
    assert "2 are sent again" in ana.post(f"/console/operations/deliveries/replay?{query}&account=demo").words
    with read(served.engine) as conn:
        stages = {id: deliveries.by_id(conn, id).stage for id in (*mine, other)}  # type: ignore[union-attr]
    assert stages == dict.fromkeys(mine, DeliveryStage.WAITING) | {other: DeliveryStage.FAILED}


def test_an_endpoint_that_was_given_up_is_called_again(served: Services, ana: Browser) -> None:
    case, now = judged(served), served.clock.now()
    told(served, case)
    with write(served.engine) as conn:
        conn.execute(sa.update(schema.endpoint_states).values(disabled_at=now, disabled_reason="failing"))
    assert "https://shop.example:443 demo ✕ disabled" in ana.get("/console/operations").words
    ana.post("/console/operations/enable", account="demo", origin="https://shop.example:443")
    with read(served.engine) as conn:
        assert endpoint_states.unwell(conn, None, limit=5) == []


def test_an_admin_of_one_account_sees_no_other_ones_callbacks_failures_or_endpoints(
    served: Services, browser: Browser
) -> None:
    other = aborted(served, "theirs", owner="other")
    judged(served)
    id = told(served, other, url="https://theirs.example/x")
    now = served.clock.now()
    with write(served.engine) as conn:
        conn.execute(sa.update(schema.endpoint_states).values(disabled_at=now, disabled_reason="failing"))
        mine = accounts.by_name(conn, "demo")
    assert mine is not None
    user(served.engine, role=Role.ADMIN, account_ids=[mine.id])
    browser.sign_in()
    assert "theirs.example" not in browser.get("/console/operations").text
    assert "Nothing was aborted." in browser.get("/console/operations").words
    assert "theirs.example" not in browser.get("/console/operations/deliveries").text
    assert browser.get(f"/console/operations/deliveries/{id}").status == 404
    assert browser.post(f"/console/operations/deliveries/{id}/replay").status == 404
    assert browser.get("/console/operations/deliveries/replay?account=other").status == 422
    answer = browser.post("/console/operations/enable", account="other", origin="https://theirs.example:443")
    assert answer.status == 404
    with read(served.engine) as conn:
        assert len(endpoint_states.unwell(conn, None, limit=5)) == 3


@pytest.mark.parametrize("query", ["stage=lost", "since=yesterday", "after=nowhere"])
def test_what_is_no_search_is_refused(ana: Browser, query: str) -> None:
    assert ana.get(f"/console/operations/deliveries?{query}").status == 422
