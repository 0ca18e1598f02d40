"""Completions over SNS and SQS: they end the wait for a job; what goes wrong with them changes no verdict."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipwarden import errors, metrics
from clipwarden.moderation import Moderation, Stage, Status
from clipwarden.settings import CompletionSettings, RekognitionSettings
from clipwarden_local.analysis.scripted import Script
from clipwarden_workers.completions import hint
from clipwarden_workers.rekognition import Rekognition
from fixtures.aws import ROLE, Aws, Queue
from fixtures.pipeline import Pipeline, without_database
from waiting import eventually

ALCOHOL: dict[str, Any] = {"at": 500, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 91.5}
#: Polling that looks at no job while a test runs.
HARDLY_EVER = {"first_look": 600, "look_price": 600, "longest_interval": 600}


@pytest.fixture
def rare_polling(aws_settings: dict[str, dict[str, Any]]) -> None:
    aws_settings["rekognition"] |= HARDLY_EVER


def told(job_id: str, **changes: Any) -> str:
    """Return a message as Rekognition sends it."""
    return json.dumps({"JobId": job_id, "Status": "SUCCEEDED", "API": "StartContentModeration"} | changes)


def running(pipeline: Pipeline, *, labels: list[dict[str, Any]] | None = None) -> Moderation:
    """Return a moderation whose job runs longer than any test."""
    pipeline.endpoint.tell(Script.model_validate({"seconds": 600, "labels": labels or []}))
    moderation = pipeline.when(pipeline.submit(), Stage.ANALYSING)
    assert moderation.job_id is not None
    return moderation


def looked_at(pipeline: Pipeline, moderation: Moderation) -> Moderation:
    """Return the moderation once its running job was looked at, and the next look has its time."""

    def seen() -> Moderation | None:
        row = pipeline.get(moderation.id)
        return row if row is not None and row.looks else None

    row = eventually(seen)
    assert row is not None
    return row


def counted(outcome: str) -> float:
    return metrics.HINTS.labels(outcome)._value.get()  # type: ignore[no-any-return]


@pytest.mark.usefixtures("rare_polling")
@pytest.mark.parametrize("form", ["raw", "wrapped"])
def test_a_completion_ends_a_wait_that_polling_would_let_last_for_minutes(
    aws_pipeline: Pipeline, aws: Aws, completions: Queue, form: str
) -> None:
    aws.subscribe(completions, raw=form == "raw")
    aws_pipeline.endpoint.tell(Script.model_validate({"seconds": 0.3, "labels": [ALCOHOL]}))
    moderation = aws_pipeline.decided(aws_pipeline.submit())
    assert (moderation.status, moderation.label_count) == (Status.REJECTED, 2)
    eventually(lambda: aws.left(completions.url) == 0)
    assert aws.left(completions.dead) == 0


@pytest.mark.usefixtures("rare_polling")
def test_a_doubled_completion_gives_one_verdict_and_one_callback(
    aws_pipeline: Pipeline, aws: Aws, completions: Queue
) -> None:
    aws.subscribe(completions, raw=True)
    aws_pipeline.endpoint.tell(Script.model_validate({"seconds": 0.3, "completions": 2}))
    moderation_id = aws_pipeline.submit()
    assert aws_pipeline.decided(moderation_id).decisions == 1
    eventually(lambda: aws.left(completions.url) == 0)
    assert len(aws_pipeline.deliveries(moderation_id)) == 1
    assert aws_pipeline.endpoint.journal.summary()["jobs"] == 1


def test_a_lost_completion_leaves_the_verdict_to_polling(aws_pipeline: Pipeline, aws: Aws, completions: Queue) -> None:
    aws.subscribe(completions, raw=True)
    aws_pipeline.endpoint.tell(Script.model_validate({"seconds": 0.3, "completions": 0}))
    assert aws_pipeline.decided(aws_pipeline.submit()).status is Status.APPROVED


@pytest.mark.usefixtures("rare_polling")
@pytest.mark.parametrize(
    "forged", [{"API": "CONTENT_MODERATION"}, {"Status": "FAILED", "Message": "no"}], ids=["early", "failed"]
)
def test_an_early_or_forged_completion_leads_to_one_look_and_the_schedule_goes_on(
    aws_pipeline: Pipeline, aws: Aws, completions: Queue, forged: dict[str, str]
) -> None:
    moderation = running(aws_pipeline)
    aws.send(completions, told(moderation.job_id or "", **forged))
    seen = looked_at(aws_pipeline, moderation)
    assert (seen.stage, seen.status, seen.looks) == (Stage.ANALYSING, Status.PENDING, 1)
    assert seen.due_at is not None
    assert seen.due_at > seen.updated_at


@pytest.mark.usefixtures("rare_polling")
def test_a_flood_of_forged_completions_of_one_job_leads_to_one_look(
    aws_settings: dict[str, dict[str, Any]], aws: Aws, completions: Queue, request: pytest.FixtureRequest
) -> None:
    aws_settings["worker"]["lease"] = 60
    pipeline: Pipeline = request.getfixturevalue("aws_pipeline")
    moderation = running(pipeline)
    unneeded = counted("unneeded")
    for _ in range(2):
        for _ in range(15):
            aws.send(completions, told(moderation.job_id or ""))
        seen = looked_at(pipeline, moderation)
        eventually(lambda: aws.left(completions.url) == 0)
    assert counted("unneeded") - unneeded == 29
    now = pipeline.get(moderation.id)
    assert now is not None
    # Nothing is due, so that nothing is looked at later on either.
    assert (now.looks, now.due_at) == (1, seen.due_at)
    calls = [call for call in pipeline.endpoint.journal.calls() if call["operation"] == "GetContentModeration"]
    assert len(calls) == 1


@pytest.mark.usefixtures("rare_polling", "aws_pipeline")
@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (told("0" * 64), "unneeded"),
        (json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}), "foreign"),
        (json.dumps({"Type": "SubscriptionConfirmation", "Message": "please"}), "foreign"),
        (told("'; DROP TABLE moderations; \x00"), "foreign"),
        (json.dumps({"JobId": 7}), "foreign"),
    ],
    ids=["unknown job", "test event", "confirmation", "no id", "number"],
)
def test_a_message_of_no_job_of_ours_is_counted_and_deleted(
    aws: Aws, completions: Queue, body: str, outcome: str
) -> None:
    before = counted(outcome)
    aws.send(completions, body)
    eventually(lambda: aws.left(completions.url) == 0)
    assert counted(outcome) - before == 1
    assert aws.left(completions.dead) == 0


@pytest.mark.usefixtures("rare_polling")
@pytest.mark.parametrize("body", ["{", "[]", '{"Type": "Notification", "Message": "hello"}'])
def test_an_unreadable_message_ends_in_the_dead_letter_queue_and_holds_up_nothing(
    aws_pipeline: Pipeline, aws: Aws, completions: Queue, body: str
) -> None:
    aws.subscribe(completions, raw=True)
    # A job that ends at once may be told of before its id is written down: then only a look would find its end.
    aws_pipeline.endpoint.tell(Script.model_validate({"seconds": 1}))
    before = counted("invalid_message")
    aws.send(completions, body)
    assert aws_pipeline.decided(aws_pipeline.submit()).status is Status.APPROVED
    eventually(lambda: aws.left(completions.dead) == 1)
    assert counted("invalid_message") - before == 3


def test_a_topic_of_another_region_than_rekognitions_is_refused_before_any_call() -> None:
    completion = CompletionSettings(topic_arn="arn:aws:sns:eu-west-1:123456789012:done", role_arn=ROLE)
    with pytest.raises(errors.ConfigurationError, match=r"eu-west-1.*us-east-1"):
        Rekognition(RekognitionSettings(region="us-east-1"), completion)


def test_a_completion_that_comes_while_the_database_is_away_is_for_later(
    aws_pipeline: Pipeline, tmp_path: Path
) -> None:
    with pytest.raises(errors.StoreUnavailable):
        hint(without_database(aws_pipeline.services, tmp_path), told("0" * 64))
