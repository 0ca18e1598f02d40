"""Cancelling and beginning anew: each happens once, to the row that was looked at, and only where it may."""

from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import Engine

from clipwarden import decisions, errors, ids
from clipwarden.moderation import Kind, Moderation, Stage, Status
from clipwarden.store import deliveries, leases, moderations, retrying, schema
from clipwarden.store.engine import read, write
from records import asset, at, moderation

URL = "https://a.example/"


def _present(conn: Connection, of: Moderation) -> Moderation:
    found = moderations.by_id(conn, of.id)
    assert found is not None
    return found


def _made(conn: Connection, **changes: Any) -> Moderation:
    made = moderation(conn, notification_urls=[URL])
    leases.amend(conn, schema.moderations, made.id, fence=made.fence, now=at(0), **changes)
    return _present(conn, made)


def _cancel(conn: Connection, of: Moderation) -> Moderation:
    return decisions.cancel(conn, of, by="ada", reason=None, public_url="http://x", now=at(1))


@pytest.mark.parametrize("stage", list(Stage))
def test_a_moderation_is_cancelled_wherever_it_stands_unless_it_is_decided(engine: Engine, stage: Stage) -> None:
    ended = stage is Stage.DECIDED
    with write(engine) as conn:
        made = _made(conn, stage=stage, status=Status.APPROVED if ended else Status.PENDING)
        if ended:
            with pytest.raises(errors.Conflict, match="nothing to cancel"):
                _cancel(conn, made)
            return
        cancelled = _cancel(conn, made)
        under_way = stage in moderations.UNDER_WAY
        assert (cancelled.status, cancelled.error_code) == (Status.ABORTED, "cancelled")
        assert (cancelled.stage, cancelled.due_at) == ((stage, made.due_at) if under_way else (Stage.DECIDED, None))
        assert [delivery.url for delivery in deliveries.of_moderation(conn, made.id)] == [URL]
        with pytest.raises(errors.Conflict):
            _cancel(conn, cancelled)
        assert len(deliveries.of_moderation(conn, made.id)) == 1


def test_who_looked_before_somebody_else_moved_it_changes_nothing(engine: Engine) -> None:
    with write(engine) as conn:
        seen = _made(conn)
        leases.advance(conn, schema.moderations, seen.id, fence=seen.fence, now=at(1), stage=Stage.STARTING)
    with pytest.raises(errors.Conflict, match="moved on"), write(engine) as conn:
        _cancel(conn, seen)
    with write(engine) as conn:
        assert _present(conn, seen).status is Status.PENDING
        aborted = _made(conn, stage=Stage.DECIDED, status=Status.ABORTED)
        assert retrying.retry(conn, aborted, now=at(2))
        assert not retrying.retry(conn, aborted, now=at(3))
        assert _present(conn, aborted).retries == 1


@pytest.mark.parametrize(
    ("changes", "stage", "due"),
    [
        ({}, Stage.INTAKE, True),
        ({"labels_key": "labels/x"}, Stage.INTAKE, True),
        ({"labels_key": "labels/x", "verdict": {}}, Stage.JUDGING, True),
        ({"labels_key": "labels/x", "rejudges": ids.new_id()}, Stage.JUDGING, True),
        ({"kind": Kind.MANUAL}, Stage.INTAKE, True),
        ({"kind": Kind.MANUAL, "asset_version": 1}, Stage.REVIEW, False),
    ],
)
def test_it_begins_anew_where_nothing_is_paid_for_twice(
    engine: Engine,
    changes: dict[str, Any],
    stage: Stage,
    due: bool,  # noqa: FBT001 # a parameter's value
) -> None:
    before = {"job_id": "j", "request_token": "t", "attempt": 2, "faults": 3, "error_code": "e", "decided_by": "policy"}
    with write(engine) as conn:
        aborted = _made(conn, **{**before, "stage": Stage.DECIDED, "status": Status.ABORTED, "due_at": None} | changes)
        begun = decisions.retry(conn, aborted, by="ada", reason=None, now=at(5))
        assert (begun.stage, begun.status, begun.due_at) == (stage, Status.PENDING, at(5) if due else None)
        assert (begun.error_code, begun.decided_by, begun.faults, begun.retries) == (None, None, 0, 1)
        assert (begun.attempt, begun.fence) == (2, aborted.fence + 1)
        assert (begun.labels_key, begun.job_id) == (
            (None, None) if stage is Stage.INTAKE else (changes.get("labels_key"), "j")
        )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": Status.APPROVED}, "only aborted ones"),
        ({"stage": Stage.ANALYSING}, "its job runs on"),
        ({"superseded": True}, "newest"),
        ({"error_code": "rejected_before"}, "chain"),
    ],
)
def test_what_must_not_begin_anew_does_not(engine: Engine, changes: dict[str, Any], why: str) -> None:
    with write(engine) as conn:
        ended = _made(conn, **{"stage": Stage.DECIDED, "status": Status.ABORTED, "due_at": None} | changes)
        with pytest.raises(errors.Conflict, match=why):
            retrying.retry(conn, ended, now=at(2))
    with read(engine) as conn:
        assert _present(conn, ended) == ended


def test_a_chain_goes_on_behind_one_that_was_begun_anew_but_not_behind_one_that_was_cancelled(engine: Engine) -> None:
    with write(engine) as conn:
        owner, chain = asset(conn), ids.new_id()
        common = {"asset_id": owner.id, "account_id": owner.account_id, "policy": "p", "source": "s", "priority": 0}
        common |= {"idempotency_key": None, "notification_urls": [], "chain": chain, "stage": Stage.INTAKE}
        waiting = {"status": Status.QUEUED, "due_at": None, "kind": Kind.MANUAL, "chain_position": 1}
        going = {"status": Status.PENDING, "due_at": at(0), "kind": Kind.AWS_REK_VIDEO, "chain_position": 0}
        first, second = (
            moderations.accept(conn, id=ids.new_id(), now=at(0), **common, **each)[0] for each in (going, waiting)
        )
        _cancel(conn, first)
        assert _present(conn, second).status is Status.QUEUED
        decisions.retry(conn, _present(conn, first), by="ada", reason=None, now=at(2))
        told: dict[str, Any] = {"by": "ada", "labels": (), "public_url": "http://x", "now": at(3)}
        decisions.override(conn, first.id, status=Status.APPROVED, **told)
        assert (_present(conn, second).status, _present(conn, second).stage) == (Status.PENDING, Stage.REVIEW)


def test_another_accounts_moderation_is_not_held(engine: Engine) -> None:
    with write(engine) as conn:
        made = _made(conn)
        assert retrying.held(conn, made.id, account_id=ids.new_id()) is None
        assert retrying.held(conn, "x", account_id=made.account_id) is None
        assert retrying.held(conn, made.id, account_id=made.account_id) == made
