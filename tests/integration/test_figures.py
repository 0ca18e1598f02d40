"""What operators watch is counted where it happens, and once."""

import asyncio
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from prometheus_client import REGISTRY

from clipwarden import decisions, errors, metrics
from clipwarden.media.s3 import build_client
from clipwarden.moderation import Stage, Status
from clipwarden.settings import MediaSettings, UploadSettings
from clipwarden.store import moderations
from clipwarden.store.engine import read, write
from clipwarden_api.room import Room
from clipwarden_local.analysis.scripted import Script
from clipwarden_local.endpoint import Fault
from clipwarden_local.ports import free_port
from fixtures.pipeline import REGION, Pipeline
from waiting import eventually

POOL = {"account": "default", "pool": REGION}


def _figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Since:
    """Figures, less what they were when this was made: the registry is shared by all tests of a process."""

    def __init__(self, *wanted: tuple[str, dict[str, str]]) -> None:
        self._wanted = wanted
        self._before = self._now()

    def _now(self) -> list[float]:
        return [_figure(name, **labels) for name, labels in self._wanted]

    def grown(self) -> list[float]:
        return [now - before for now, before in zip(self._now(), self._before, strict=True)]


def test_a_job_tells_what_it_cost_how_often_it_was_looked_at_and_what_it_was_rejected_for(pipeline: Pipeline) -> None:
    odd: dict[str, Any] = {"at": 500, "path": ["Alcohol", "Made Up By Tomorrow's Model"], "confidence": 99}
    known: dict[str, Any] = {"at": 0, "path": ["Violence", "Weapons"], "confidence": 99}
    pipeline.endpoint.tell(Script.model_validate({"seconds": 0.2, "labels": [odd, known, known | {"at": 900}]}))
    since = Since(
        ("clipwarden_analysed_seconds_total", POOL),
        ("clipwarden_estimated_cost_dollars_total", POOL),
        ("clipwarden_job_looks_count", {}),
        ("clipwarden_detection_delay_seconds_count", {}),
        ("clipwarden_judging_delay_seconds_count", {}),
        ("clipwarden_rejection_reasons_total", {"category": "weapons"}),
        ("clipwarden_rejection_reasons_total", {"category": "unknown"}),
        ("clipwarden_delivery_wait_seconds_count", {}),
    )
    moderation_id = pipeline.submit()
    assert pipeline.decided(moderation_id).status is Status.REJECTED
    assert pipeline.receiver.wait_for(moderation_id, within=20) is not None
    eventually(lambda: since.grown()[-1] == 1)
    seconds = since.grown()[0]
    assert seconds == 1.0
    assert since.grown()[1:] == [pytest.approx(seconds / 60 * 0.1), 1, 1, 1, 1, 1, 1]
    with read(pipeline.services.engine) as conn:
        assert moderations.oldest_pending(conn) is None


def test_a_humans_decision_is_counted_when_it_is_committed(pipeline: Pipeline) -> None:
    since = Since(("clipwarden_overrides_total", {"was": "approved", "became": "rejected"}))
    moderation_id = pipeline.submit()
    pipeline.decided(moderation_id)

    def decide(*, fault: Exception | None = None) -> None:
        decision: dict[str, Any] = {"status": Status.REJECTED, "by": "ada", "labels": (), "public_url": "http://x"}
        with write(pipeline.services.engine) as conn:
            decisions.override(conn, moderation_id, **decision, now=pipeline.services.clock.now())
            if fault is not None:
                raise fault

    with pytest.raises(errors.Conflict):
        decide(fault=errors.Conflict("not after all"))
    assert since.grown() == [0]
    decide()
    assert since.grown() == [1]


def test_a_rejection_that_a_human_takes_back_is_counted_by_its_reasons_once(pipeline: Pipeline) -> None:
    shown = [["Violence", "Weapons"], ["Alcohol", "Made Up By Tomorrow's Model"]]
    labels = [{"path": path, "confidence": 99} for path in shown]
    pipeline.endpoint.tell(Script.model_validate({"labels": labels}))
    taken_back = "clipwarden_taken_back_reasons_total"
    since = Since((taken_back, {"category": "weapons"}), (taken_back, {"category": "unknown"}))
    moderation_id = pipeline.submit()
    assert pipeline.decided(moderation_id).status is Status.REJECTED
    for status in (Status.APPROVED, Status.REJECTED, Status.APPROVED):
        with write(pipeline.services.engine) as conn:
            decision: dict[str, Any] = {"status": status, "by": "ada", "labels": (), "public_url": "http://x"}
            decisions.override(conn, moderation_id, **decision, now=pipeline.services.clock.now())
    assert since.grown() == [1, 1]


def test_of_what_was_not_judged_yet_a_humans_decision_is_the_verdict_and_counts_once(pipeline: Pipeline) -> None:
    by_human, by_policy = ({"status": "rejected", "decided_by": by} for by in ("human", "policy"))
    since = Since(
        ("clipwarden_moderations_total", by_human),
        ("clipwarden_moderations_total", by_policy),
        ("clipwarden_verdict_delay_seconds_count", {"status": "rejected"}),
        ("clipwarden_actor_seconds_count", {"actor": "decide", "outcome": "ok"}),
    )
    pipeline.endpoint.tell(Script(seconds=2))
    moderation_id = pipeline.submit()
    eventually(lambda: _stage(pipeline, moderation_id) is Stage.ANALYSING)
    for _ in range(2):
        with write(pipeline.services.engine) as conn:
            decision: dict[str, Any] = {"status": Status.REJECTED, "by": "ada", "labels": (), "public_url": "http://x"}
            decisions.override(conn, moderation_id, **decision, now=pipeline.services.clock.now())
    assert since.grown() == [1, 0, 0, 0]
    # The job's own verdict comes late, and is evidence.
    eventually(lambda: since.grown()[-1] == 1)
    assert since.grown() == [1, 0, 0, 1]


def _stage(pipeline: Pipeline, moderation_id: str) -> Stage | None:
    with read(pipeline.services.engine) as conn:
        found = moderations.by_id(conn, moderation_id)
    return found.stage if found is not None else None


def test_starts_that_rekognition_had_no_slot_for_are_counted(pipeline: Pipeline) -> None:
    since = Since(("clipwarden_start_refusals_total", {"pool": REGION}))
    pipeline.endpoint.faults.tell(Fault(operation="StartContentModeration", error="LimitExceededException", times=2))
    pipeline.decided(pipeline.submit())
    assert since.grown() == [2]


def test_moving_bytes_and_taking_a_request_are_timed_as_every_other_step(pipeline: Pipeline) -> None:
    moved = ("clipwarden_actor_seconds_count", {"actor": "apply", "outcome": "ok"})
    since = Since(moved, ("clipwarden_actor_seconds_count", {"actor": "intake", "outcome": "ok"}))
    pipeline.endpoint.tell(Script.model_validate({"labels": [{"path": ["Violence", "Weapons"], "confidence": 99}]}))
    pipeline.submit()
    eventually(lambda: since.grown() == [1, 1])


def test_it_is_told_how_long_messages_wait_for_a_worker(pipeline: Pipeline) -> None:
    since = Since(("clipwarden_message_wait_seconds_count", {"queue": "intake"}))
    pipeline.decided(pipeline.submit())
    assert since.grown() == [1]


@pytest.mark.parametrize(
    ("fault", "outcome"), [(errors.Conflict("x"), errors.Conflict.code), (ValueError("x"), "bug"), (None, "told")]
)
def test_a_turn_that_goes_wrong_is_counted_by_what_went_wrong(fault: Exception | None, outcome: str) -> None:
    since = Since(("clipwarden_actor_seconds_count", {"actor": "sweep", "outcome": outcome}))

    def turn() -> None:
        with metrics.timed_turn("sweep") as tell:
            tell("told")
            if fault is not None:
                raise fault

    if fault is None:
        turn()
    else:
        with pytest.raises(type(fault)):
            turn()
    assert since.grown() == [1]


def test_the_places_that_uploads_hold_are_counted_until_they_are_given_back() -> None:
    since = Since(("clipwarden_upload_places", {}), ("clipwarden_upload_places_taken", {}))

    async def used() -> list[list[float]]:
        room = Room(UploadSettings(memory=32 * 1024**2, patience=0.01))
        seen = []
        await room.enter()
        assert await room.extend()
        seen.append(since.grown())
        assert not await room.extend()
        with pytest.raises(errors.Overloaded):
            await room.enter()
        room.leave()
        seen.append(since.grown())
        room.leave()
        await room.close()
        return [*seen, since.grown()]

    assert asyncio.run(used()) == [[2, 2], [2, 1], [2, 0]]


def test_calls_to_aws_are_counted_by_what_came_of_them(s3_settings: MediaSettings) -> None:
    def calls(outcome: str) -> tuple[str, dict[str, str]]:
        return "clipwarden_aws_calls_total", {"operation": "HeadObject", "outcome": outcome}

    since = Since(
        calls("ok"),
        calls("404"),
        calls("EndpointConnectionError"),
        ("clipwarden_aws_call_seconds_count", {"operation": "HeadObject"}),
    )
    client = build_client(s3_settings)
    client.put_object(Bucket=s3_settings.bucket, Key="a", Body=b"a")
    client.head_object(Bucket=s3_settings.bucket, Key="a")
    with pytest.raises(client.exceptions.ClientError):
        client.head_object(Bucket=s3_settings.bucket, Key="b")
    nowhere = s3_settings.model_copy(update={"endpoint_url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(EndpointConnectionError):
        build_client(nowhere).head_object(Bucket="bucket", Key="a")
    assert since.grown() == [1, 1, 1, 3]
