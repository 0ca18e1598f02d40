"""A video flows through the whole pipeline; bad input ends with a clear reason, a callback, and nothing half done."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from clipwarden import decisions, message
from clipwarden.moderation import DeliveryStage, Location, Placement, Stage, Status
from clipwarden.store import assets, audit
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from clipwarden_local.endpoint.faults import Fault, When
from clipwarden_local.receiver import Answer
from fixtures.pipeline import Pipeline
from waiting import eventually

ALCOHOL: dict[str, Any] = {"at": 500, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 91.5}


def _script(**changes: Any) -> Script:
    return Script.model_validate({"seconds": 0.1, **changes})


def _told(pipeline: Pipeline, moderation_id: str) -> dict[str, Any]:
    callback = pipeline.receiver.wait_for(moderation_id, within=20)
    assert callback is not None
    assert callback.verified
    body: dict[str, Any] = json.loads(callback.body)
    return body


def test_a_video_that_shows_nothing_is_approved_and_told_so(pipeline: Pipeline) -> None:
    moderation_id = pipeline.submit("plain", public_id="holiday")
    moderation = pipeline.decided(moderation_id)
    assert (moderation.status, moderation.decided_by, moderation.attempt) == (Status.APPROVED, "policy", 1)
    body = _told(pipeline, moderation_id)
    assert (body["moderation_status"], body["public_id"]) == ("approved", "holiday")


def test_a_rejected_video_is_quarantined_and_a_human_brings_back_the_identical_bytes(pipeline: Pipeline) -> None:
    pipeline.endpoint.tell(_script(labels=[ALCOHOL]))
    clip = pipeline.clips("plain")
    moderation_id = pipeline.submit("plain")
    moderation = pipeline.decided(moderation_id)
    assert moderation.status is Status.REJECTED
    location = Location(bucket="clipwarden", key="in/plain.mp4")
    eventually(lambda: _placed(pipeline, moderation.asset_id) is Placement.QUARANTINE)
    assert not pipeline.services.media.exists(location)

    with write(pipeline.services.engine) as conn:
        decisions.override(
            conn,
            moderation_id,
            status=Status.APPROVED,
            by="ada",
            labels=(),
            public_url="http://x",
            now=pipeline.services.clock.now(),
        )
    eventually(lambda: _placed(pipeline, moderation.asset_id) is Placement.LIBRARY)
    with pipeline.services.media.open(location) as stream:
        assert hashlib.sha256(stream.read()).digest() == hashlib.sha256(clip.read_bytes()).digest()
    eventually(lambda: len(pipeline.deliveries(moderation_id)) == 2)
    with read(pipeline.services.engine) as conn:
        actions = [event.action for event in audit.of_moderation(conn, moderation_id)]
    assert actions == ["rejected", "approved"]


def _placed(pipeline: Pipeline, asset_id: str) -> Placement | None:
    with read(pipeline.services.engine) as conn:
        asset = assets.by_id(conn, asset_id)
    return asset.placed if asset is not None and asset.wanted is asset.placed else None


def test_a_human_decides_while_the_job_runs_and_the_late_verdict_changes_nothing(pipeline: Pipeline) -> None:
    pipeline.endpoint.tell(_script(labels=[ALCOHOL], seconds=1.0))
    moderation_id = pipeline.submit()
    pipeline.when(moderation_id, Stage.ANALYSING)
    with write(pipeline.services.engine) as conn:
        decisions.override(
            conn,
            moderation_id,
            status=Status.APPROVED,
            by="ada",
            labels=(),
            public_url="http://x",
            now=pipeline.services.clock.now(),
        )
    moderation = pipeline.decided(moderation_id)
    assert (moderation.status, moderation.decided_by) == (Status.APPROVED, "human:ada")
    assert moderation.verdict is not None
    assert moderation.verdict["status"] == "rejected"
    assert [delivery.sequence for delivery in pipeline.deliveries(moderation_id)] == [1]
    assert pipeline.services.media.exists(Location(bucket="clipwarden", key="in/plain.mp4"))


def test_a_page_cut_between_child_and_parent_does_not_change_the_verdict(pipeline: Pipeline) -> None:
    shown = [{"at": 0, "path": ["Suggestive", "Revealing Clothes"], "confidence": 90}]
    pipeline.endpoint.tell(_script(labels=shown, times=3, page_size=1, model_version="6.1"))
    ignoring = pipeline.decided(pipeline.submit(moderation="aws_rek_video:revealing_clothes:ignore"))
    assert (ignoring.status, ignoring.label_count) == (Status.APPROVED, 6)


@pytest.mark.parametrize(
    ("clip", "says"),
    [
        ("text_named_mp4", "MP4"),
        ("hevc", "H.264"),
        ("tiny64", "80"),
        ("zero_bytes", "empty"),
        ("no_moov", ""),
        ("mkv", "MP4"),
        ("audio_only", "video"),
    ],
)
def test_what_rekognition_would_refuse_ends_aborted_before_any_paid_call(
    pipeline: Pipeline, clip: str, says: str
) -> None:
    moderation_id = pipeline.submit(clip)
    moderation = pipeline.decided(moderation_id)
    assert (moderation.status, moderation.error_code) == (Status.ABORTED, "media_refused")
    assert says.lower() in (moderation.error_reason or "").lower()
    assert moderation.attempt == 0
    assert pipeline.endpoint.journal.summary()["jobs"] == 0
    body = _told(pipeline, moderation_id)
    assert body["moderation_status"] == "aborted"
    assert body["moderation_error"]["code"] == "media_refused"


@pytest.mark.parametrize(
    "parameter",
    ["aws_rek_video:no_such_thing:0.5", "aws_rek_video:alcohol:0.5.5", "aws_rek_video:alcohol:1.01", "aws_rek_video:"],
)
def test_a_policy_that_another_program_sent_unread_ends_aborted_with_what_is_wrong(
    pipeline: Pipeline, parameter: str
) -> None:
    moderation_id = _send_unread(pipeline, moderation=parameter)
    moderation = pipeline.decided(moderation_id)
    assert (moderation.status, moderation.error_code) == (Status.ABORTED, "invalid_policy")
    assert _told(pipeline, moderation_id)["moderation_error"]["message"] == moderation.error_reason


def _send_unread(pipeline: Pipeline, **fields: Any) -> str:
    """Send what a program that checks nothing would send."""
    source = pipeline.put(pipeline.clips("plain"))
    wanted = message.IntakeMessage.compose(source=str(source), notification_url=pipeline.receiver.url, **fields)
    pipeline.services.broker.enqueue(wanted.to_dramatiq())
    return wanted.id


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("s3://clipwarden/in/missing.mp4", "media_not_found"),
        ("s3://clipwarden/../../etc/passwd", "source_refused"),
        ("file:///etc/passwd", "source_refused"),
        ("ftp://example.com/a.mp4", "source_refused"),
        ("http://169.254.169.254/latest/meta-data", "destination_refused"),
    ],
)
def test_a_source_that_is_not_ours_to_read_ends_aborted(pipeline: Pipeline, source: str, code: str) -> None:
    moderation = pipeline.decided(pipeline.client.enqueue(source))
    assert (moderation.status, moderation.error_code) == (Status.ABORTED, code)


def test_a_job_that_rekognition_fails_ends_aborted_with_its_own_words(pipeline: Pipeline) -> None:
    pipeline.endpoint.tell(_script(failure="Unsupported codec/format."))
    moderation = pipeline.decided(pipeline.submit())
    assert (moderation.status, moderation.error_code) == (Status.ABORTED, "analysis_failed")
    assert moderation.error_reason == "Unsupported codec/format."


def test_results_that_expired_before_they_were_read_never_approve(pipeline: Pipeline) -> None:
    pipeline.endpoint.tell(_script(kept_seconds=0))
    moderation = pipeline.decided(pipeline.submit())
    assert (moderation.status, moderation.error_code) == (Status.ABORTED, "results_expired")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(operation="StartContentModeration", error="InternalServerError"),
        Fault(operation="StartContentModeration", error="ThrottlingException", times=2),
        Fault(operation="StartContentModeration", error="LimitExceededException", times=3),
        Fault(operation="StartContentModeration", error="AccessDeniedException"),
        Fault(operation="StartContentModeration", when=When.AFTER),
        Fault(operation="GetContentModeration", error="ProvisionedThroughputExceededException", times=5),
        Fault(operation="GetContentModeration", error="InvalidPaginationTokenException", continued=True),
        Fault(operation="GetContentModeration", when=When.AFTER, times=3),
    ],
    ids=lambda fault: f"{fault.operation}-{fault.error or 'dropped'}-{fault.when}",
)
def test_a_passing_fault_delays_the_verdict_and_pays_for_nothing_twice(pipeline: Pipeline, fault: Fault) -> None:
    pipeline.endpoint.tell(_script(labels=[ALCOHOL], page_size=1))
    pipeline.endpoint.faults.tell(fault)
    moderation = pipeline.decided(pipeline.submit())
    assert (moderation.status, moderation.attempt, moderation.label_count) == (Status.REJECTED, 1, 2)
    assert pipeline.endpoint.journal.summary()["jobs"] == 1


def test_a_fault_that_never_passes_ends_aborted_and_frees_its_slot(pipeline: Pipeline) -> None:
    pipeline.endpoint.faults.tell(Fault(operation="StartContentModeration", error="InternalServerError", times=50))
    moderation = pipeline.decided(pipeline.submit())
    assert (moderation.status, moderation.error_code) == (Status.ABORTED, "analysis_unavailable")
    pipeline.endpoint.faults.clear()
    assert pipeline.decided(pipeline.submit()).status is Status.APPROVED


def test_a_dead_callback_url_is_tried_by_the_schedule_and_given_up_without_touching_the_verdict(
    pipeline: Pipeline,
) -> None:
    moderation_id = pipeline.submit(notification_url="http://127.0.0.1:9/dead")
    assert pipeline.decided(moderation_id).status is Status.APPROVED
    eventually(lambda: [d.stage for d in pipeline.deliveries(moderation_id)] == [DeliveryStage.FAILED])
    (delivery,) = pipeline.deliveries(moderation_id)
    assert delivery.attempt == 4
    assert delivery.last_error


def test_a_receiver_that_fails_at_first_gets_the_same_callback_again(pipeline: Pipeline) -> None:
    pipeline.receiver.answer_next(Answer(status=503), times=2)
    moderation_id = pipeline.submit()
    eventually(lambda: [d.stage for d in pipeline.deliveries(moderation_id)] == [DeliveryStage.DELIVERED])
    calls = [call for call in pipeline.receiver.received if moderation_id in str(call.body)]
    assert len(calls) == 3
    assert len({call.headers["webhook-id"] for call in calls}) == 1
    assert len({call.body for call in calls}) == 1


def test_the_same_idempotency_key_gives_the_same_moderation_and_one_job(pipeline: Pipeline) -> None:
    first = pipeline.submit(idempotency_key="order-7")
    second = pipeline.submit(idempotency_key="order-7")
    assert first == second
    pipeline.decided(first)
    assert pipeline.endpoint.journal.summary()["jobs"] == 1


def test_a_manual_moderation_waits_for_a_human_and_calls_nobody(pipeline: Pipeline) -> None:
    moderation_id = pipeline.submit(moderation="manual")
    assert pipeline.when(moderation_id, Stage.REVIEW).status is Status.PENDING
    with write(pipeline.services.engine) as conn:
        decisions.override(
            conn,
            moderation_id,
            status=Status.REJECTED,
            by="ada",
            labels=(),
            public_url="http://x",
            now=pipeline.services.clock.now(),
        )
    assert pipeline.decided(moderation_id).status is Status.REJECTED
    assert _told(pipeline, moderation_id)["moderation_kind"] == "manual"
    assert pipeline.endpoint.journal.summary()["jobs"] == 0


def test_more_videos_than_slots_all_reach_a_verdict_and_the_pool_is_never_overrun(pipeline: Pipeline) -> None:
    pipeline.endpoint.tell(_script(seconds=0.3))
    source = pipeline.put(pipeline.clips("plain"))
    moderation_ids = [pipeline.client.enqueue(str(source), public_id=f"video {number}") for number in range(45)]
    for moderation_id in moderation_ids:
        assert pipeline.decided(moderation_id, within=60).status is Status.APPROVED
    summary = pipeline.endpoint.journal.summary()
    assert summary["most_open_jobs"] <= 20
    assert summary["jobs"] == 45
    assert "LimitExceededException" not in summary["results"]["StartContentModeration"]


def test_a_local_file_below_an_import_root_is_copied_in_and_moderated(
    pipeline_settings: dict[str, dict[str, Any]], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    pipeline_settings["media"]["import_roots"] = str(tmp_path / "import")
    pipeline: Pipeline = request.getfixturevalue("pipeline")
    (tmp_path / "import").mkdir()
    file = tmp_path / "import" / "a.mp4"
    file.write_bytes(pipeline.clips("plain").read_bytes())
    moderation = pipeline.decided(pipeline.client.enqueue(file.as_uri()))
    assert moderation.status is Status.APPROVED
    assert file.exists()
