import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from clipwarden import decisions, errors, ids
from clipwarden.moderation import (
    BY_POLICY,
    SLOT_STAGES,
    Asset,
    Kind,
    Location,
    Moderation,
    Placement,
    Stage,
    Status,
)
from clipwarden.store import assets, leases, moderations, schema
from clipwarden.store.engine import read, write
from records import START, VERDICT, account, asset, at, decide, moderation, present

UNDER_WAY = (*SLOT_STAGES, Stage.COLLECTING, Stage.JUDGING)


def test_what_is_accepted_can_be_found_as_it_was_given(engine: Engine) -> None:
    with write(engine) as conn:
        owned = asset(conn)
        made = moderation(
            conn, owned, key="k", stage=Stage.INTAKE, priority=7, notification_urls=["https://a", "https://b"]
        )
    assert made == Moderation(
        id=made.id,
        account_id=owned.account_id,
        asset_id=owned.id,
        kind=Kind.AWS_REK_VIDEO,
        policy="aws_rek_video",
        source="s3://bucket/clip.mp4",
        idempotency_key="k",
        notification_urls=("https://a", "https://b"),
        priority=7,
        stage=Stage.INTAKE,
        stage_since=START,
        status=Status.PENDING,
        due_at=START,
        fence=0,
        faults=0,
        attempt=0,
        pool=None,
        min_confidence=None,
        request_token=None,
        job_id=None,
        looks=0,
        labels_key=None,
        label_count=None,
        model_version=None,
        verdict=None,
        decided_by=None,
        decisions=0,
        error_code=None,
        error_reason=None,
        created_at=START,
        updated_at=START,
        started_at=None,
        ended_at=None,
        decided_at=None,
    )
    with read(engine) as conn:
        assert moderations.by_id(conn, made.id) == made


@pytest.mark.parametrize("id", ["", "x", "../etc", "0" * 32, "{00000000-0000-7000-8000-000000000001}", "a\0b"])
def test_a_text_that_is_no_id_finds_nothing(engine: Engine, id: str) -> None:
    with write(engine) as conn:
        assert moderations.by_id(conn, id) is None
        assert moderations.override(conn, id, status=Status.APPROVED, by="ann", now=START) is None
        moderation(conn)


def test_a_moderation_is_shown_to_its_own_account_only(engine: Engine) -> None:
    with write(engine) as conn:
        made, other = moderation(conn), account(conn, "other")
        assert moderations.by_id(conn, made.id, account_id=made.account_id) == made
        assert moderations.by_id(conn, made.id, account_id=other.id) is None


def test_accepting_again_returns_what_became_of_the_first(engine: Engine) -> None:
    with write(engine) as conn:
        first = moderation(conn, key="k")
        leases.advance(conn, schema.moderations, first.id, fence=0, now=at(1), stage=Stage.JUDGING)
        by_key = moderation(conn, key="k", priority=9)
        by_id = moderation(conn, id=first.id, key=None)
        assert by_key == by_id == present(conn, first.id)


def test_the_same_key_is_another_matter_in_another_account(engine: Engine) -> None:
    with write(engine) as conn:
        first = moderation(conn, key="k")
        second = moderation(conn, asset(conn, account(conn, "other")), key="k")
    assert first.id != second.id


def test_moderations_without_a_key_are_all_new(engine: Engine) -> None:
    with write(engine) as conn:
        assert moderation(conn).id != moderation(conn).id


def test_an_id_of_another_account_is_a_conflict(engine: Engine) -> None:
    with write(engine) as conn:
        first, foreign = moderation(conn), asset(conn, account(conn, "other"))
        with pytest.raises(errors.Conflict, match=first.id):
            moderation(conn, foreign, id=first.id)


def test_producers_that_enqueue_the_same_at_once_get_one_moderation(engine: Engine) -> None:
    with write(engine) as conn:
        owned = asset(conn)
    gate = threading.Barrier(6)

    def enqueue() -> str:
        gate.wait()
        with write(engine) as conn:
            return moderation(conn, owned, key="k").id

    with ThreadPoolExecutor(6) as threads:
        found = {done.result() for done in [threads.submit(enqueue) for _ in range(6)]}
    assert len(found) == 1


def test_the_rules_end_a_moderation_with_their_verdict(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn, stage=Stage.JUDGING)
        assert decide(conn, row)
        assert present(conn, row.id) == replace(
            row,
            stage=Stage.DECIDED,
            stage_since=at(60),
            status=Status.REJECTED,
            verdict=VERDICT,
            decided_by=BY_POLICY,
            decisions=1,
            due_at=None,
            fence=1,
            updated_at=at(60),
            decided_at=at(60),
        )


def test_an_abort_says_why_and_has_no_verdict(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn)
        ended = {"status": Status.ABORTED, "verdict": None, "error_code": "media_refused", "error_reason": "too small"}
        assert decide(conn, row, **ended)
        now = present(conn, row.id)
    assert (now.status, now.verdict, now.error_code, now.error_reason) == (
        "aborted",
        None,
        "media_refused",
        "too small",
    )


def test_a_moderation_is_decided_once_by_whoever_holds_it(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn, stage=Stage.JUDGING)
        assert decide(conn, row)
        before = present(conn, row.id)
        assert not decide(conn, row, status=Status.APPROVED)
        assert present(conn, row.id) == before


@pytest.mark.parametrize("stage", UNDER_WAY)
def test_a_human_may_decide_while_the_job_runs_and_a_late_verdict_is_evidence_only(
    engine: Engine, stage: Stage
) -> None:
    with write(engine) as conn:
        row = moderation(conn, stage=stage)
        overridden = moderations.override(conn, row.id, status=Status.APPROVED, by="ann", now=at(30))
        decision: dict[str, Any] = {
            "status": Status.APPROVED,
            "decided_by": "human:ann",
            "decisions": 1,
            "decided_at": at(30),
        }
        assert overridden == replace(row, **decision, updated_at=at(30))
        late = {"status": Status.ABORTED, "error_code": "analysis_failed", "error_reason": "no result"}
        assert decide(conn, row, **late)
        ended: dict[str, Any] = {
            "stage": Stage.DECIDED,
            "stage_since": at(60),
            "due_at": None,
            "fence": 1,
            "verdict": VERDICT,
            "updated_at": at(60),
        }
        assert present(conn, row.id) == replace(overridden, **ended)


@pytest.mark.parametrize("stage", [Stage.REVIEW, Stage.INTAKE, Stage.QUEUED])
def test_a_human_ends_what_no_job_was_started_for(engine: Engine, stage: Stage) -> None:
    with write(engine) as conn:
        row = moderation(conn, stage=stage, kind=Kind.MANUAL)
        overridden = moderations.override(conn, row.id, status=Status.REJECTED, by="ann", now=at(30))
        assert overridden == replace(
            row,
            stage=Stage.DECIDED,
            stage_since=at(30),
            status=Status.REJECTED,
            due_at=None,
            fence=1,
            decided_by="human:ann",
            decisions=1,
            updated_at=at(30),
            decided_at=at(30),
        )


def test_humans_may_change_their_minds_and_every_decision_counts(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn, stage=Stage.JUDGING)
        decide(conn, row)
        moderations.override(conn, row.id, status=Status.APPROVED, by="ann", now=at(70))
        last = moderations.override(conn, row.id, status=Status.REJECTED, by="bob", now=at(80))
    assert last is not None
    assert (last.status, last.decided_by, last.decisions, last.decided_at) == ("rejected", "human:bob", 3, at(80))
    assert (last.stage, last.verdict) == (Stage.DECIDED, VERDICT)


def test_a_human_s_verdict_leaves_no_error_behind(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn, stage=Stage.JUDGING)
        decide(conn, row, status=Status.ABORTED, error_code="analysis_failed", error_reason="no result")
        overridden = moderations.override(conn, row.id, status=Status.REJECTED, by="ann", now=at(70))
    assert overridden is not None
    assert (overridden.status, overridden.error_code, overridden.error_reason) == (Status.REJECTED, None, None)


@pytest.mark.parametrize("status", [Status.PENDING, Status.QUEUED, Status.ABORTED])
def test_a_human_can_only_approve_or_reject(engine: Engine, status: Status) -> None:
    with write(engine) as conn:
        row = moderation(conn)
        with pytest.raises(errors.Conflict, match="approves or rejects"):
            moderations.override(conn, row.id, status=status, by="ann", now=START)


def test_no_moderation_no_override(engine: Engine) -> None:
    with write(engine) as conn:
        assert moderations.override(conn, ids.new_id(), status=Status.APPROVED, by="ann", now=START) is None


def test_it_is_known_whether_a_human_has_decided_about_an_asset_since(engine: Engine) -> None:
    with write(engine) as conn:
        video, other = asset(conn), asset(conn, public_id="other")
        decide(conn, moderation(conn, video))
        moderations.override(conn, moderation(conn, video).id, status=Status.APPROVED, by="ann", now=at(30))
        assert moderations.human_since(conn, video.id, version=1, since=at(29))
        assert not moderations.human_since(conn, video.id, version=1, since=at(30))
        assert not moderations.human_since(conn, other.id, version=1, since=START)


def test_what_a_human_says_of_earlier_bytes_leaves_the_present_ones_to_the_rules(engine: Engine) -> None:
    said: dict[str, Any] = {"labels": (), "public_url": ""}
    with write(engine) as conn:
        before = recorded(conn, "earlier", now=START)
        earlier = about(conn, before, now=START)
        after = recorded(conn, "present", now=at(60))
        present = about(conn, after, now=at(60))
        decisions.override(conn, earlier.id, status=Status.APPROVED, by="ann", now=at(70), **said)
        decisions.conclude(conn, present, status=Status.REJECTED, verdict=VERDICT, now=at(80), **said)
        found = assets.by_id(conn, after.id)
    assert found is not None
    assert found.wanted is Placement.QUARANTINE


def recorded(conn: Connection, etag: str, *, now: datetime) -> Asset:
    """Return the asset with these bytes."""
    place = Location(bucket="bucket", key=f"{etag}.mp4")
    return assets.record(conn, asset(conn).id, location=place, bytes=9, etag=etag, facts=None, now=now)


def about(conn: Connection, of: Asset, *, now: datetime) -> Moderation:
    """Return a moderation of the bytes that an asset has, whose labels are there."""
    made = moderation(conn, of, stage=Stage.JUDGING, now=now)
    leases.amend(conn, schema.moderations, made.id, fence=made.fence, now=now, asset_version=of.version)
    return made


def test_the_oldest_that_waits_is_told_but_for_those_whose_age_says_nothing(engine: Engine) -> None:
    with write(engine) as conn:
        assert moderations.oldest_pending(conn) is None
        moderation(conn, stage=Stage.ANALYSING, now=at(9))
        moderation(conn, stage=Stage.QUEUED, now=at(7))
        moderation(conn, stage=Stage.REVIEW, now=at(1))
        decide(conn, moderation(conn, stage=Stage.JUDGING, now=at(2)))
        for changes in ({"retries": 1}, {"chain_position": 1}):
            old = moderation(conn, stage=Stage.INTAKE, now=at(3))
            leases.amend(conn, schema.moderations, old.id, fence=old.fence, now=at(8), **changes)
        assert moderations.oldest_pending(conn) == at(7)


def pages(conn: Connection, limit: int, **wanted: Any) -> list[str]:
    """Return the ids of all pages."""
    found, after = [], None
    while True:
        page = moderations.page(conn, after=after, limit=limit, **wanted)
        found += [row.id for row in page.items]
        if (after := page.next_cursor) is None:
            return found
        assert len(page.items) == limit


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.integers(min_value=0, max_value=3), max_size=12), limit=st.integers(min_value=1, max_value=5))
def test_pages_hold_everything_once_newest_first(engine: Engine, times: list[int], limit: int) -> None:
    with write(engine) as conn:
        owned = asset(conn, account(conn, ids.new_id()))
        made = [moderation(conn, owned, now=at(seconds)) for seconds in times]
        expected = [row.id for row in sorted(made, key=lambda row: (row.created_at, row.id), reverse=True)]
        assert pages(conn, limit, account_id=owned.account_id) == expected


def test_what_comes_in_meanwhile_neither_repeats_nor_hides_anything_on_later_pages(engine: Engine) -> None:
    with write(engine) as conn:
        made = [moderation(conn, now=at(n)).id for n in range(5)]
        first = moderations.page(conn, limit=2)
        moderation(conn, now=at(9))
        second = moderations.page(conn, limit=2, after=first.next_cursor)
        moderation(conn, now=at(10))
        third = moderations.page(conn, limit=2, after=second.next_cursor)
    assert [row.id for page in (first, second, third) for row in page.items] == made[::-1]
    assert third.next_cursor is None


def test_a_listing_holds_only_what_matches_all_that_is_asked_for(engine: Engine) -> None:
    with write(engine) as conn:
        mine, other = asset(conn), asset(conn, account(conn, "other"))
        match = moderation(conn, mine, status=Status.APPROVED)
        moderation(conn, other, status=Status.APPROVED)
        moderation(conn, mine, status=Status.REJECTED)
        manual = moderation(conn, mine, kind=Kind.MANUAL, status=Status.APPROVED)
        wanted = {"account_id": mine.account_id, "status": Status.APPROVED}
        assert pages(conn, 10, **wanted, kind=Kind.AWS_REK_VIDEO) == [match.id]
        assert set(pages(conn, 1, **wanted)) == {match.id, manual.id}
        assert len(pages(conn, 3)) == 4


def test_a_cursor_that_nobody_gave_out_is_a_conflict(engine: Engine) -> None:
    with read(engine) as conn, pytest.raises(errors.Conflict, match="cursor"):
        moderations.page(conn, after="next please")


def analysing(conn: Connection, job_id: str) -> Moderation:
    made = moderation(conn, stage=Stage.STARTING)
    leases.advance(
        conn,
        schema.moderations,
        made.id,
        fence=made.fence,
        now=START,
        stage=Stage.ANALYSING,
        job_id=job_id,
        due_at=at(600),
    )
    return present(conn, made.id)


def test_a_hint_makes_a_running_job_due_once_in_a_while(engine: Engine) -> None:
    gap = timedelta(seconds=30)
    with write(engine) as conn:
        row = analysing(conn, "job-1")
        hints = [moderations.hint(conn, "job-1", now=at(seconds), gap=gap) for seconds in (60, 61, 89, 90)]
        hinted = present(conn, row.id)
    assert [len(found) for found in hints] == [1, 0, 0, 1]
    assert hints[-1] == [hinted]
    assert (hinted.due_at, hinted.hinted_at, hinted.fence) == (at(90), at(90), row.fence)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.ANALYSING])
def test_a_hint_of_a_job_that_is_not_running_changes_nothing(engine: Engine, stage: Stage) -> None:
    with write(engine) as conn:
        row = analysing(conn, "job-1")
        leases.advance(conn, schema.moderations, row.id, fence=row.fence, now=START, stage=stage)
        before = present(conn, row.id)
        assert not moderations.hint(conn, "job-1", now=at(60), gap=timedelta(0))
        assert not moderations.hint(conn, "job-2", now=at(60), gap=timedelta(0))
        assert present(conn, row.id) == before


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, True),
        ({"min_confidence": 50.1}, False),
        ({"min_confidence": None}, False),
        ({"ended_at": at(9.999)}, False),
        ({"ended_at": None}, False),
        ({"fingerprint": "sha256:other"}, False),
        ({"fingerprint": None}, False),
        ({"verdict": None}, False),
        ({"labels_key": None}, False),
        ({"labels_of": "018f0000-0000-7000-8000-000000000003"}, False),
    ],
    ids=str,
)
def test_labels_are_found_up_to_the_bounds_of_confidence_and_time_and_no_further(
    engine: Engine,
    changes: dict[str, Any],
    found: bool,  # noqa: FBT001 # a parameter of the test
) -> None:
    paid = {"fingerprint": "sha256:same", "min_confidence": 50.0, "ended_at": at(10), "verdict": {}, "labels_key": "k"}
    with write(engine) as conn:
        made = moderation(conn)
        conn.execute(sa.update(schema.moderations).where(schema.moderations.c.id == made.id).values(**paid | changes))
        origin = moderations.paid(conn, made.account_id, "sha256:same", min_confidence=50, since=at(10))
        other = moderations.paid(conn, account(conn, "other").id, "sha256:same", min_confidence=50, since=at(10))
    assert (origin is not None) == found
    assert other is None


def test_of_labels_that_were_paid_for_twice_the_newer_ones_are_found(engine: Engine) -> None:
    with write(engine) as conn:
        made = [moderation(conn) for _ in range(3)]
        for each, seconds in zip(made, (10, 30, 20), strict=True):
            paid = {
                "fingerprint": "f",
                "min_confidence": 1.0,
                "ended_at": at(seconds),
                "verdict": {},
                "labels_key": "k",
            }
            conn.execute(sa.update(schema.moderations).where(schema.moderations.c.id == each.id).values(**paid))
        origin = moderations.paid(conn, made[0].account_id, "f", min_confidence=1, since=at(0))
    assert origin is not None
    assert origin.id == made[1].id


def test_requests_that_come_together_are_accepted_as_if_they_came_one_by_one(engine: Engine) -> None:
    with write(engine) as conn:
        known = moderation(conn, key="known")
        pattern = {name: getattr(known, name) for name in moderations.Request.__dataclass_fields__}
        keys = ("b", "a", "known", "a", None, None)
        wanted = [
            moderations.Request(**pattern | {"id": id_, "idempotency_key": key})
            for id_, key in zip(sorted(ids.new_id() for _ in keys), keys, strict=True)
        ]
        wanted.append(wanted[0])
        found = moderations.accept_all(conn, wanted, now=at(9))
    assert [created for _, created in found] == [True, True, False, False, True, True, False]
    first_b, first_a, *_ = (made.id for made, _ in found)
    assert [made.id for made, _ in found] == [
        wanted[0].id,
        wanted[1].id,
        known.id,
        first_a,
        wanted[4].id,
        wanted[5].id,
        first_b,
    ]
