"""A case: what it shows, and deciding it."""

import csv
import io
import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa

from clipwarden import decisions, errors, placing, undoing
from clipwarden.moderation import DeliveryStage, Location, Moderation, Placement, Stage, Status
from clipwarden.people import Role
from clipwarden.store import assets, audit, pools, reviews, schema
from clipwarden.store.engine import read, write
from clipwarden_api.services import Services
from fixtures.console import Browser, Page, calls, judged, present, user, waiting
from records import moderation


@pytest.fixture
def ana(served: Services, browser: Browser) -> Browser:
    user(served.engine, role=Role.SUPERVISOR)
    browser.sign_in()
    return browser


@pytest.fixture
def ben(served: Services) -> Browser:
    user(served.engine, "ben")
    browser = Browser(served)
    browser.sign_in("ben")
    return browser


def fields(page: Page) -> dict[str, str]:
    """Return what the form of a case carries."""
    return {name: re.findall(rf'name="{name}" value="([^"]*)"', page.text)[0] for name in ("claim", "seen")}


def opened(browser: Browser, case: Moderation) -> dict[str, str]:
    return fields(browser.get(f"/console/cases/{case.id}"))


def decide(browser: Browser, case: Moderation, verdict: str, **more: str) -> Page:
    held = opened(browser, case)
    return browser.post(f"/console/cases/{case.id}/decide", verdict=verdict, **held, **more)


def done(served: Services, case: Moderation) -> list[str]:
    with read(served.engine) as conn:
        return [one.action for one in audit.of_moderation(conn, case.id)]


def wanted(served: Services, case: Moderation) -> Placement:
    with read(served.engine) as conn:
        asset = assets.by_id(conn, case.asset_id)
    assert asset is not None
    return asset.wanted


def test_a_case_tells_why_and_when(served: Services, ana: Browser) -> None:
    case = judged(served, policy="aws_rek_video:alcohol:0.6")
    page = ana.get(f"/console/cases/{case.id}")
    assert "Alcoholic Beverages, 0:04 to 0:05, 85 percent, over the limit" in page.text
    assert "Rude Gestures, 0:09 to 0:09, 32 percent" in page.text
    assert "The limit is carried over from 6.1 alcohol." in page.words
    assert "86 % > 60 %" in page.words
    assert "aws_rek_video:alcohol:0.6" in page.words
    assert "Rejected by the policy" in page.words


def test_the_video_plays_by_ranges_wherever_its_bytes_are(served: Services, ana: Browser) -> None:
    case = judged(served)
    [address] = re.findall(r'<video[^>]* src="([^"]*)"', ana.get(f"/console/cases/{case.id}").text)
    address = unescape(address)
    stranger = Browser(served).client
    assert stranger.get(address, headers={"Range": "bytes=5-8"}).content == b"byte"
    assert stranger.get(address.replace("holiday", "another")).status_code == 401
    with read(served.engine) as conn:
        asset = assets.by_id(conn, case.asset_id)
    assert asset is not None
    assert asset.location is not None
    served.media.move(asset.location, placing.quarantine("clipwarden", asset), etag=None)
    assert stranger.get(address).content == b"some bytes"


def test_a_decision_leads_to_the_next_case_and_its_callback_waits(served: Services, ana: Browser) -> None:
    second = judged(served, "second")
    first = judged(served, "first", age=timedelta(hours=1))
    assert ana.post("/console/next?status=rejected").address == f"/console/cases/{first.id}?status=rejected"
    held = opened(ana, first)
    page = ana.post(
        f"/console/cases/{first.id}/decide?status=rejected",
        verdict="approve",
        reason="Wrong label",
        note="a toy",
        **held,
    )
    assert page.address.startswith(f"/console/cases/{second.id}?status=rejected")
    assert "first was approved" in page.words
    decided = present(served, first.id)
    assert (decided.status, decided.decided_by) == (Status.APPROVED, "human:ana")
    [told] = calls(served, first.id)
    assert told.stage is DeliveryStage.WAITING
    assert told.due_at is not None
    assert told.due_at - told.created_at == timedelta(seconds=served.settings.console.undo)
    with read(served.engine) as conn:
        event = audit.of_moderation(conn, first.id)[-1]
    assert (event.actor, (event.detail or {})["reason"]) == ("human:ana", "Wrong label: a toy")


def test_what_is_undone_was_never_told(served: Services, ana: Browser) -> None:
    case = judged(served)
    assert wanted(served, case) is Placement.QUARANTINE
    decide(ana, case, "approve")
    assert wanted(served, case) is Placement.LIBRARY
    page = ana.post(f"/console/cases/{case.id}/undo")
    assert "is as it was before" in page.words
    back = present(served, case.id)
    assert (back.status, back.decided_by, back.decided_at) == (case.status, case.decided_by, case.decided_at)
    assert wanted(served, case) is Placement.QUARANTINE
    assert calls(served, case.id) == []
    assert done(served, case) == ["rejected", "approved", "undone"]
    assert ana.post(f"/console/cases/{case.id}/undo").status == 409


def test_a_case_that_waited_for_a_person_waits_again(served: Services, ana: Browser) -> None:
    case = waiting(served)
    decide(ana, case, "reject")
    ana.post(f"/console/cases/{case.id}/undo")
    assert (present(served, case.id).status, present(served, case.id).stage) == (Status.PENDING, Stage.REVIEW)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.DECIDED])
def test_a_case_goes_on_where_it_stood_once_its_decision_is_undone(
    served: Services, ana: Browser, stage: Stage
) -> None:
    now = served.clock.now()
    with write(served.engine) as conn:
        pools.ensure(conn, "home", 1, now)
        made = moderation(conn, stage=stage, due_at=now, now=now, pool="home")
    case = present(served, made.id)
    decide(ana, case, "reject")
    assert present(served, case.id).status is Status.REJECTED
    ana.post(f"/console/cases/{case.id}/undo")
    back = present(served, case.id)
    counted = {name: getattr(back, name) for name in ("decisions", "fence", "stage_since", "updated_at")}
    assert back == replace(case, **counted)


def test_a_failure_stands_again_once_the_decision_about_it_is_undone(served: Services, ana: Browser) -> None:
    case = judged(served)
    failed = {"status": "aborted", "error_code": "analysis_failed", "error_reason": "no result"}
    with write(served.engine) as conn:
        conn.execute(sa.update(schema.moderations).values(failed))
    decide(ana, case, "reject")
    ana.post(f"/console/cases/{case.id}/undo")
    back = present(served, case.id)
    assert {name: getattr(back, name) for name in failed} == failed


def test_after_the_grace_period_nothing_is_undone(served: Services, ana: Browser) -> None:
    case = judged(served)
    decide(ana, case, "approve")
    later = served.clock.now() + timedelta(seconds=served.settings.console.undo)
    with pytest.raises(errors.Conflict), write(served.engine) as conn:
        undoing.undo(conn, present(served, case.id), by="ana", now=later)
    assert present(served, case.id).status is Status.APPROVED


@pytest.mark.parametrize("change", [{"stage": "sending"}, {"attempt": 1}, {"stage": "delivered"}])
def test_what_somebody_may_have_been_told_is_not_undone(
    served: Services, ana: Browser, change: dict[str, object]
) -> None:
    case = judged(served)
    decide(ana, case, "approve")
    with write(served.engine) as conn:
        conn.execute(sa.update(schema.deliveries).values(**change))
    assert ana.post(f"/console/cases/{case.id}/undo").status == 409
    assert present(served, case.id).status is Status.APPROVED
    assert len(calls(served, case.id)) == 1


def test_a_decision_that_somebody_has_changed_since_is_not_undone(served: Services, ana: Browser) -> None:
    case = judged(served)
    decide(ana, case, "approve")
    decide(ana, case, "reject")
    decide(ana, case, "approve")
    ana.post(f"/console/cases/{case.id}/undo")
    assert present(served, case.id).status is Status.REJECTED
    assert len(calls(served, case.id)) == 2
    assert ana.post(f"/console/cases/{case.id}/undo").status == 409


def test_undoing_brings_nothing_back_that_was_rejected_since(served: Services, ana: Browser) -> None:
    case = judged(served, seen=[])
    decide(ana, case, "reject")
    with write(served.engine) as conn:
        other = moderation(conn, assets.by_id(conn, case.asset_id), stage=Stage.JUDGING, now=served.clock.now())
        said: dict[str, Any] = {"labels": (), "public_url": "", "now": served.clock.now()}
        decisions.override(conn, other.id, status=Status.REJECTED, by="ben", **said)
    assert ana.post(f"/console/cases/{case.id}/undo").status == 409
    assert wanted(served, case) is Placement.QUARANTINE


def test_undoing_is_not_about_bytes_that_came_in_since(served: Services, ana: Browser) -> None:
    case = judged(served, seen=[])
    decide(ana, case, "reject")
    with write(served.engine) as conn:
        place = Location(bucket="clipwarden", key="in/other.mp4")
        now = served.clock.now()
        assets.record(conn, case.asset_id, location=place, bytes=9, etag="other", facts=None, now=now)
        assets.want(conn, case.asset_id, Placement.QUARANTINE, now)
    assert ana.post(f"/console/cases/{case.id}/undo").status == 409
    assert wanted(served, case) is Placement.QUARANTINE


def test_a_case_is_before_one_person_at_a_time(served: Services, ana: Browser, ben: Browser) -> None:
    case = judged(served)
    mine = opened(ana, case)
    page = ben.get(f"/console/cases/{case.id}")
    assert "ana has this case before them" in page.words
    assert "✓ Approve" not in page.words
    assert ben.post(f"/console/cases/{case.id}/decide", verdict="approve", claim="", seen=mine["seen"]).status == 409
    assert ben.post(f"/console/cases/{case.id}/decide", verdict="approve", claim="ü", seen=mine["seen"]).status == 409
    assert ben.post("/console/next").address.startswith("/console/?empty=1")
    assert ana.post(f"/console/cases/{case.id}/decide", verdict="approve", **mine).status == 200


def test_a_claim_that_ended_is_good_until_somebody_takes_the_case(served: Services, ana: Browser, ben: Browser) -> None:
    case = judged(served)
    mine = opened(ana, case)
    with write(served.engine) as conn:
        conn.execute(sa.update(schema.reviews).values(held_until=served.clock.now()))
    theirs = opened(ben, case)
    stale = ana.post(f"/console/cases/{case.id}/decide", verdict="approve", **mine)
    assert stale.status == 409
    assert "Somebody else has taken this case since you opened it, so nothing was done" in stale.words
    assert present(served, case.id).status is Status.REJECTED
    assert ben.post(f"/console/cases/{case.id}/decide", verdict="approve", **theirs).status == 200


def test_what_was_decided_elsewhere_meanwhile_is_not_decided_over(served: Services, ana: Browser) -> None:
    case = judged(served)
    mine = opened(ana, case)
    with write(served.engine) as conn:
        undoing.override(
            conn,
            case,
            grace=timedelta(0),
            by="key",
            now=served.clock.now(),
            status=Status.APPROVED,
            labels=(),
            public_url="http://x",
        )
    assert (
        ana.post(
            f"/console/cases/{case.id}/decide", verdict="reject", **opened(ana, case) | {"seen": mine["seen"]}
        ).status
        == 409
    )
    assert present(served, case.id).status is Status.APPROVED


def test_a_page_that_stays_open_keeps_its_case(served: Services, ana: Browser) -> None:
    case = judged(served)
    opened(ana, case)
    soon = served.clock.now() + timedelta(seconds=1)
    with write(served.engine) as conn:
        conn.execute(sa.update(schema.reviews).values(held_until=soon))
    assert "yours until" in ana.post(f"/console/cases/{case.id}/hold").words
    with read(served.engine) as conn:
        kept = reviews.of(conn, case.id)
    assert kept is not None
    assert kept.held_until is not None
    assert kept.held_until > soon


def test_skipping_and_escalating_go_on_and_stand_in_the_trail(served: Services, ana: Browser, ben: Browser) -> None:
    second = judged(served, "second")
    first = judged(served, "first", age=timedelta(hours=1))
    page = ben.post(f"/console/cases/{first.id}/skip", **opened(ben, first))
    assert page.address.startswith(f"/console/cases/{second.id}")
    ben.post(f"/console/cases/{second.id}/escalate", note="is this a toy?", **opened(ben, second))
    assert done(served, first) == ["rejected", "skipped"]
    assert done(served, second) == ["rejected", "escalated"]
    assert "escalated by ben" in ana.get("/console/?escalated=1").words
    decide(ana, second, "approve")
    assert "No cases here" in ana.get("/console/?escalated=1").words


def test_another_policy_is_tried_and_put_into_force(served: Services, ana: Browser) -> None:
    case = judged(served)
    opened(ana, case)
    path = f"/console/cases/{case.id}/rejudge"
    assert "Another verdict: approved" in ana.post(path, moderation="aws_rek_video:alcohol:0.9").words
    assert ana.post(path, moderation="aws_rek_video:alcohool:0.9").status == 422
    page = ana.post(path, moderation="aws_rek_video:alcohol:0.9", apply="1")
    assert "is being judged by the other policy" in page.words
    assert present(served, page.address[15:51]).rejudges == case.id


def test_an_aborted_case_is_begun_anew(served: Services, ana: Browser) -> None:
    case = judged(served)
    with write(served.engine) as conn:
        conn.execute(sa.update(schema.moderations).values(status="aborted", error_code="x", error_reason="It broke."))
    page = ana.get(f"/console/cases/{case.id}")
    assert "It broke." in page.words
    page = ana.post(f"/console/cases/{case.id}/retry", **fields(page))
    assert "begins anew" in page.words
    assert present(served, case.id).status is Status.PENDING


def test_who_may_only_look_sees_no_buttons_and_takes_no_case(served: Services) -> None:
    case = judged(served)
    user(served.engine, "eve", Role.READ_ONLY)
    eve = Browser(served)
    eve.sign_in("eve")
    page = eve.get(f"/console/cases/{case.id}")
    assert "Your role lets you look" in page.words
    with read(served.engine) as conn:
        assert reviews.of(conn, case.id) is None


@pytest.mark.parametrize("change", [{"verdict": "maybe"}, {"reason": "Because"}, {"note": "x" * 2001}])
def test_a_form_that_says_nonsense_changes_nothing(served: Services, ana: Browser, change: dict[str, str]) -> None:
    case = judged(served)
    held = opened(ana, case) | {"verdict": "approve"} | change
    assert ana.post(f"/console/cases/{case.id}/decide", **held).status == 422
    assert present(served, case.id) == case


def test_settings_are_kept_and_hold_on_the_next_page(served: Services, ana: Browser) -> None:
    case = judged(served)
    page = ana.get(f"/console/cases/{case.id}")
    assert 'veiled data-blur="18" data-grey data-muted' in page.text
    given = dict(re.findall(r'name="(key-[^"]*)"[^>]* value="([^"]*)"', ana.get("/console/settings").text))
    changed = {**given, "key-approve": "y", "blur": "0", "minutes": "1", "cases": "0"}
    assert "Kept." in ana.post("/console/settings", **changed).words
    page = ana.get(f"/console/cases/{case.id}")
    assert '<veiled-video  data-blur="0">' in page.text
    assert "<kbd>y</kbd>" in page.text
    assert ana.post("/console/settings", **given | {"key-approve": "r"}).status == 422
    assert ana.post("/console/settings", **given | {"key-approve": "ctrl"}).status == 422
    assert ana.post("/console/settings", blur="41").status in (400, 422)


def test_the_trail_is_searched_and_saved(served: Services, ana: Browser) -> None:
    case = judged(served, "wine")
    decide(ana, case, "approve", note="=1+1")
    assert "approved" in ana.get("/console/audit?actor=ana").words
    assert "Nothing was done yet" in ana.get("/console/audit?actor=ben").words
    answer = ana.client.get("/console/audit.csv?actor=ana")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["actor"], row["action"], row["account"]) for row in rows] == [("human:ana", "approved", "demo")]


def test_help_says_what_is_known(ana: Browser) -> None:
    words = ana.get("/console/help").words
    assert "did not reduce harm" in words
    assert "Show these keys" in words
