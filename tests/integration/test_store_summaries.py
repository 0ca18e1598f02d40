"""A request for several moderations is summed up once none of them goes on, however they have ended."""

import json
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Engine

from clipwarden import decisions, errors, ids
from clipwarden.moderation import Kind, Moderation, Stage, Status
from clipwarden.store import deliveries, leases, moderations, schema
from clipwarden.store.engine import write
from records import asset, at

NOW: dict[str, Any] = {"public_url": "http://x", "now": at(1)}


def chain(conn: Connection) -> tuple[Moderation, Moderation]:
    """Ask for ``aws_rek_video|manual``."""
    owner, common = asset(conn), {"chain": ids.new_id(), "policy": "p", "source": "s", "priority": 0}
    common |= {"asset_id": owner.id, "account_id": owner.account_id, "idempotency_key": None, "stage": Stage.INTAKE}
    common |= {"notification_urls": ["https://a.example/"]}
    first = {"status": Status.PENDING, "due_at": at(0), "kind": Kind.AWS_REK_VIDEO, "chain_position": 0}
    second = {"status": Status.QUEUED, "due_at": None, "kind": Kind.MANUAL, "chain_position": 1}
    made = [moderations.accept(conn, id=ids.new_id(), now=at(0), **common, **each)[0] for each in (first, second)]
    return made[0], made[1]


def present(conn: Connection, of: Moderation) -> Moderation:
    found = moderations.by_id(conn, of.id)
    assert found is not None
    return found


def summaries(conn: Connection, *of: Moderation) -> list[tuple[str, list[str]]]:
    """Return the status of each summary so far, and those of the moderations in it."""
    told = [one for each in of for one in deliveries.of_moderation(conn, each.id) if one.event == "moderation_summary"]
    bodies = [json.loads(one.body) for one in sorted(told, key=lambda one: one.sequence)]
    return [(body["moderation_status"], [one["status"] for one in body["moderation"]]) for body in bodies]


def override(conn: Connection, of: Moderation, status: Status) -> None:
    decisions.override(conn, of.id, status=status, by="ada", labels=(), **NOW)


def test_an_abort_that_keeps_the_others_from_beginning_is_summed_up(engine: Engine) -> None:
    with write(engine) as conn:
        first, second = chain(conn)
        decisions.abort(conn, first, errors.MediaRefused("no video", reason="codec"), **NOW)
        assert summaries(conn, first, second) == [("aborted", ["aborted", "queued"])]
        decisions.retry(conn, present(conn, first), by="ada", reason=None, now=at(2))
        override(conn, first, Status.APPROVED)
        assert len(summaries(conn, first, second)) == 1, "the second one has begun"
        override(conn, second, Status.APPROVED)
        assert summaries(conn, first, second)[1:] == [("approved", ["approved", "approved"])]


def test_what_was_cancelled_or_overridden_while_its_job_runs_is_summed_up_at_once(engine: Engine) -> None:
    with write(engine) as conn:
        first, second = chain(conn)
        leases.amend(conn, schema.moderations, first.id, fence=first.fence, now=at(0), stage=Stage.ANALYSING)
        decisions.cancel(conn, present(conn, first), by="ada", reason=None, **NOW)
        assert summaries(conn, first, second) == [("aborted", ["aborted", "queued"])]
    with write(engine) as conn:
        first, second = chain(conn)
        leases.amend(conn, schema.moderations, first.id, fence=first.fence, now=at(0), stage=Stage.ANALYSING)
        override(conn, first, Status.APPROVED)
        assert summaries(conn, first, second) == []
        override(conn, second, Status.REJECTED)
        running = present(conn, first)
        assert summaries(conn, first, second) == [("rejected", ["approved", "rejected"])]
        decisions.conclude(conn, running, status=Status.REJECTED, verdict=None, labels=(), **NOW)
        assert len(summaries(conn, first, second)) == 1, "the late verdict is evidence"


def test_a_rejection_ends_the_others_and_is_summed_up(engine: Engine) -> None:
    with write(engine) as conn:
        first, second = chain(conn)
        decisions.conclude(conn, first, status=Status.REJECTED, verdict=None, labels=(), **NOW)
        assert summaries(conn, first, second) == [("rejected", ["rejected", "aborted"])]
