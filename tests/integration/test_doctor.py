"""The doctor's look at AWS: what is missing is named, and what will be amiss one day is a warning."""

import argparse
import json
import socket
from typing import Any

import boto3
import pytest
from sqlalchemy import Engine

from clipwarden.settings import CompletionSettings, S3IntakeSettings, Settings
from clipwarden.store import accounts, pools, presets
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import write
from clipwarden_local.ports import free_port
from clipwarden_workers import doctor, queue_checks
from clipwarden_workers.findings import Doubtful, Finding, Level, find
from fixtures.aws import REGION, ROLE, Aws, Queue
from records import START, moderation
from servers import RawServer, read_request

SESSION = boto3.session.Session(region_name=REGION)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def set_up(aws: Aws, queue: Queue, *, hiding: int = 60, showings: int | None = 5) -> None:
    """Give a queue its visibility timeout, and a redrive policy or none."""
    dead = aws.sqs.get_queue_attributes(QueueUrl=queue.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = {"deadLetterTargetArn": dead, "maxReceiveCount": showings}
    told: Any = {"VisibilityTimeout": str(hiding), "RedrivePolicy": json.dumps(redrive) if showings else ""}
    aws.sqs.set_queue_attributes(QueueUrl=queue.url, Attributes=told)


def completion(aws: Aws, queue: Queue, **changes: Any) -> CompletionSettings:
    told = {"topic_arn": aws.topic, "role_arn": ROLE, "queue_url": queue.url, "endpoint_url": aws.url}
    return CompletionSettings.model_validate(told | changes)


def looked_at(aws: Aws, queue: Queue, **changes: Any) -> Finding:
    return find("completions", lambda: queue_checks.completions(completion(aws, queue, **changes), session=SESSION))


@pytest.fixture
def settings(engine: Engine, aws: Aws, s3_events: Queue) -> dict[str, Any]:
    """Return settings that name a queue of S3 events and an account that is there."""
    set_up(aws, s3_events)
    with write(engine) as conn:
        accounts.ensure(conn, name="shop", api_key="key", api_secret="secret", now=DatabaseClock(engine).now())
    nowhere = free_port()
    return {
        "database": {"url": engine.url.render_as_string(hide_password=False)},
        "redis": {"url": f"redis://127.0.0.1:{nowhere}/0"},
        "media": {"bucket": aws.name, "region": REGION, "endpoint_url": aws.url},
        "rekognition": {"region": REGION, "endpoint_url": f"http://127.0.0.1:{nowhere}"},
        "s3_intake": {"queue_url": s3_events.url, "endpoint_url": aws.url, "account": "shop"},
    }


def examined(settings: dict[str, Any]) -> dict[str, Finding]:
    return {found.check: found for found in doctor.examine(Settings.model_validate(settings))}


def test_queues_that_suit_their_readers_are_found_well_and_no_message_is_touched(
    settings: dict[str, Any], aws: Aws, completions: Queue
) -> None:
    set_up(aws, completions)
    aws.send(completions, "kept")
    found = examined(settings | {"completion": completion(aws, completions).model_dump()})
    assert {check for check, one in found.items() if one.ok} == {
        "database",
        "secrets",
        "media",
        "pools",
        "region",
        "completions",
        "s3 events",
        "s3 intake",
    }
    assert found["completions"].detail == f"queue in {REGION}, hidden for 60 s, given up after 5 receives"
    assert found["s3 intake"].detail == "account shop, moderated by aws_rek_video"
    plain = settings["database"]["url"].startswith("postgresql")
    assert found["secrets"].level is (Level.WARNING if plain else Level.OK)
    (kept,) = aws.sqs.receive_message(QueueUrl=completions.url, AttributeNames=["All"])["Messages"]
    assert kept["Attributes"]["ApproximateReceiveCount"] == "1"


def test_queues_that_nobody_names_are_not_looked_for(settings: dict[str, Any]) -> None:
    del settings["s3_intake"]
    assert set(examined(settings)) == {"database", "secrets", "redis", "media", "pools", "region", "rekognition"}
    assert "polled" in queue_checks.completions(CompletionSettings(), session=SESSION)
    assert "enqueued" in queue_checks.s3_events(S3IntakeSettings(), session=SESSION)


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        ({"showings": None}, ["no redrive policy", "add one"]),
        ({"showings": 2}, ["after 2 receives", "set maxReceiveCount to 3 or more"]),
        ({"hiding": 29}, ["visibility timeout of 29 s", "set 30 s or more"]),
        ({"showings": None, "hiding": 0}, ["no redrive policy", "visibility timeout of 0 s"]),
    ],
    ids=["no dead letters", "given up soon", "shown soon", "two at once"],
)
def test_a_queue_that_does_not_suit_its_reader_is_a_warning_that_says_what_to_do(
    aws: Aws, completions: Queue, s3_events: Queue, made: dict[str, Any], advice: list[str]
) -> None:
    for queue in (completions, s3_events):
        set_up(aws, queue, **made)
    intake = S3IntakeSettings(queue_url=s3_events.url, endpoint_url=aws.url)
    for found in (
        looked_at(aws, completions),
        find("s3 events", lambda: queue_checks.s3_events(intake, session=SESSION)),
    ):
        assert (found.level, found.ok) == (Level.WARNING, True)
        assert all(text in found.detail for text in advice)


def test_the_least_that_suits_a_reader_is_found_well(aws: Aws, completions: Queue) -> None:
    set_up(aws, completions, hiding=queue_checks.SHORTEST_HIDING, showings=queue_checks.LEAST_SHOWINGS)
    assert looked_at(aws, completions).level is Level.OK


def test_a_queue_in_another_region_than_its_topic_is_a_warning(aws: Aws, completions: Queue) -> None:
    set_up(aws, completions)
    found = looked_at(aws, completions, topic_arn="arn:aws:sns:eu-west-1:123456789012:done")
    assert found.level is Level.WARNING
    assert f"the queue is in {REGION}, but its topic in eu-west-1" in found.detail


def test_a_queue_without_a_topic_is_a_warning(aws: Aws, completions: Queue) -> None:
    set_up(aws, completions)
    found = looked_at(aws, completions, topic_arn=None, role_arn=None)
    assert found.level is Level.WARNING
    assert "CLIPWARDEN_COMPLETION__TOPIC_ARN is not set" in found.detail


def test_a_queue_that_does_not_exist_or_cannot_be_reached_is_a_failure(aws: Aws, completions: Queue) -> None:
    missing = looked_at(aws, completions, queue_url=f"{completions.url}-gone")
    assert (missing.level, missing.ok) == (Level.FAILURE, False)
    assert missing.detail == f"there is no queue {completions.url}-gone in {REGION}"
    away = looked_at(aws, completions, endpoint_url=f"http://127.0.0.1:{free_port()}")
    assert away.level is Level.FAILURE
    assert "Could not connect" in away.detail


@pytest.mark.parametrize(
    ("denied", "level", "named"),
    [
        ("DeleteMessage", Level.FAILURE, "sqs:ReceiveMessage"),
        ("ChangeMessageVisibility", Level.WARNING, "given up"),
        ("GetQueueAttributes", Level.WARNING, "set up"),
    ],
)
def test_a_permission_that_is_missing_is_named(denied: str, level: Level, named: str) -> None:
    with RawServer(lambda connection: refuse(connection, denied)) as server:
        settings = CompletionSettings(
            queue_url="https://sqs.us-east-1.amazonaws.com/123456789012/done",
            endpoint_url=f"http://127.0.0.1:{server.port}",
        )
        found = find("completions", lambda: queue_checks.completions(settings, session=SESSION))
    assert found.level is level
    assert f"sqs:{denied} on {settings.queue_url} is denied" in found.detail
    assert named in found.detail


def refuse(connection: socket.socket, denied: str) -> None:
    """Answer as SQS does whoever may not do one thing, and asks for no message that there is."""
    while request := read_request(connection):
        code = "AccessDeniedException" if f"AmazonSQS.{denied}".encode() in request else "ReceiptHandleIsInvalid"
        body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "no"}).encode()
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}"
        connection.sendall(head.encode() + b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("intake", "complaint"),
    [
        ({"account": "nobody"}, "no account 'nobody'; `clipwarden account nobody` makes one"),
        ({"preset": "gone"}, "CLIPWARDEN_S3_INTAKE__PRESET: no preset 'gone'"),
        ({"moderation": "aws_rek_video:alcohl:0.5"}, "alcohl"),
        ({"notification_url": "https://shop.example/ " * 11}, "at most 10 URLs"),
        ({"preset": "wrong"}, "preset 'wrong': "),
    ],
    ids=["account", "preset", "moderation", "urls", "preset's moderation"],
)
def test_what_would_keep_every_upload_from_being_moderated_is_found_first(
    settings: dict[str, Any], engine: Engine, intake: dict[str, Any], complaint: str
) -> None:
    with write(engine) as conn:
        account, now = accounts.by_name(conn, "shop"), DatabaseClock(engine).now()
        assert account is not None
        presets.ensure(conn, account_id=account.id, name="wrong", options={"moderation": "alcohol"}, now=now)
    settings["s3_intake"] |= intake
    found = examined(settings)["s3 intake"]
    assert found.level is Level.FAILURE
    assert complaint in found.detail


def test_uploads_may_be_left_to_people(settings: dict[str, Any]) -> None:
    settings["s3_intake"]["moderation"] = "manual"
    assert examined(settings)["s3 intake"].level is Level.OK


def test_a_bucket_of_another_region_than_rekognitions_is_a_failure_that_names_both(
    settings: dict[str, Any], aws: Aws
) -> None:
    settings["media"]["bucket"] = f"{aws.name}-foreign"
    aws.s3.create_bucket(
        Bucket=settings["media"]["bucket"], CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    found = examined(settings)["region"]
    assert found.level is Level.FAILURE
    assert "is in eu-west-1, but Rekognition is called in us-east-1" in found.detail


def test_warnings_are_shown_as_such_and_do_not_fail_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def doubt() -> str:
        raise Doubtful("mend it")

    findings = [find("media", lambda: "fine"), find("s3 events", doubt)]
    monkeypatch.setattr(doctor, "examine", lambda _: findings)
    assert doctor.run(argparse.Namespace(json=False)) == 0
    assert capsys.readouterr().out.splitlines() == ["ok    media         fine", "warn  s3 events     mend it"]
    assert doctor.run(argparse.Namespace(json=True)) == 0
    assert json.loads(capsys.readouterr().out)[1] == {
        "check": "s3 events",
        "ok": True,
        "level": "warning",
        "detail": "mend it",
    }


def test_each_of_several_pools_is_examined_and_what_waits_for_a_forgotten_one_is_a_warning(
    settings: dict[str, Any], engine: Engine, aws: Aws
) -> None:
    with write(engine) as conn:
        pools.ensure(conn, "gone", 20, START)
        moderation(conn, pool="gone")
    one = {"region": REGION, "buckets": [aws.name], "endpoint_url": settings["rekognition"]["endpoint_url"]}
    several = {"a": one, "b": one | {"region": "eu-west-1"}}
    found = examined({**settings, "rekognition": {}, "pools": several})
    assert found["pools"].level is Level.WARNING
    assert "1 of pool gone" in found["pools"].detail
    assert found["region a"].ok
    assert not found["region b"].ok
    assert {"rekognition a", "rekognition b"} <= found.keys()
