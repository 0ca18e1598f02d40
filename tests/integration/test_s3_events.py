"""S3's events as a door: what lands under the prefix is moderated once, and clipwarden's own writing never is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
import structlog

from clipwarden import decisions, errors, metrics
from clipwarden.moderation import Location, Moderation, Placement, Status
from clipwarden.settings import Settings
from clipwarden.store import accounts, assets, moderations, presets
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from clipwarden_workers import s3_events as door
from fixtures.aws import Aws, Queue
from fixtures.pipeline import Pipeline, without_database
from waiting import eventually

NAMED = {"eventName": "ObjectCreated:Put", "eventTime": "2026-03-01T12:00:00.000Z"}
ALCOHOL: dict[str, Any] = {"at": 500, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 91.5}


def everything(pipeline: Pipeline) -> list[Moderation]:
    with read(pipeline.services.engine) as conn:
        return list(moderations.page(conn, limit=100).items)


def the_only_one(pipeline: Pipeline) -> Moderation:
    """Return the moderation that an event led to, once there is one."""
    (moderation,) = eventually(lambda: everything(pipeline))
    return moderation


def public_id(pipeline: Pipeline, moderation: Moderation) -> str:
    with read(pipeline.services.engine) as conn:
        asset = assets.by_id(conn, moderation.asset_id)
    assert asset is not None
    return asset.public_id


def upload(pipeline: Pipeline, aws: Aws, key: str, bucket: str | None = None) -> None:
    aws.s3.put_object(Bucket=bucket or aws.name, Key=key, Body=pipeline.clips("plain").read_bytes())


def event(aws: Aws, key: str = "uploads/a.mp4", *, name: str = "ObjectCreated:Put", **changes: Any) -> dict[str, Any]:
    """Return a record as S3 sends it."""
    object_ = {"key": quote_plus(key), "size": 1, "eTag": "0" * 32, "sequencer": "00A1", **changes}
    return {"eventSource": "aws:s3", "eventName": name, "s3": {"bucket": {"name": aws.name}, "object": object_}}


def message(*records: Any) -> str:
    return json.dumps({"Records": records})


@pytest.fixture
def counted() -> dict[str, float]:
    """Return how often each outcome was counted before the test."""
    return {outcome: _total(outcome) for outcome in ("ok", "known", "skipped", "restored", "foreign")}


def _total(outcome: str) -> float:
    return metrics.S3_EVENTS.labels(outcome)._value.get()  # type: ignore[no-any-return]


def outcomes(since: dict[str, float]) -> dict[str, float]:
    """Return how often each outcome was counted since the test began, where it was."""
    return {name: _total(name) - before for name, before in since.items() if _total(name) != before}


@pytest.mark.parametrize("key", ["uploads/été + 100%/a%20b&c.mp4", "uploads/plain.mp4"])
@pytest.mark.parametrize("way", [Aws.notify, Aws.notify_over_sns, Aws.notify_over_eventbridge])
def test_a_video_that_lands_under_the_prefix_is_moderated_without_anybody_asking(
    aws_pipeline: Pipeline, aws: Aws, s3_events: Queue, way: Callable[[Aws, Queue, str], None], key: str
) -> None:
    way(aws, s3_events, aws.name)
    upload(aws_pipeline, aws, key)
    moderation = aws_pipeline.decided(the_only_one(aws_pipeline).id)
    assert (moderation.status, moderation.source) == (Status.APPROVED, f"s3://{aws.name}/{key}")
    assert public_id(aws_pipeline, moderation) == key
    eventually(lambda: aws.left(s3_events.url) == 0)
    assert aws.left(s3_events.dead) == 0


def test_a_video_that_is_rejected_and_brought_back_is_not_moderated_again(
    aws_pipeline: Pipeline, aws: Aws, s3_events: Queue, counted: dict[str, float]
) -> None:
    aws.notify(s3_events, aws.name)
    aws_pipeline.endpoint.tell(Script.model_validate({"labels": [ALCOHOL]}))
    upload(aws_pipeline, aws, "uploads/a.mp4")
    moderation = aws_pipeline.decided(the_only_one(aws_pipeline).id)
    assert moderation.status is Status.REJECTED
    eventually(lambda: placed(aws_pipeline, moderation) is Placement.QUARANTINE)
    approve(aws_pipeline, moderation)
    eventually(lambda: placed(aws_pipeline, moderation) is Placement.LIBRARY)
    eventually(lambda: aws.left(s3_events.url) == 0)
    assert len(everything(aws_pipeline)) == 1
    # Its labels, its quarantined bytes, and those that came back.
    told = outcomes(counted)
    assert (told["ok"], told["restored"]) == (1, 1)
    assert told["skipped"] >= 2


def test_other_bytes_under_the_key_of_a_video_that_was_brought_back_are_moderated(
    aws_pipeline: Pipeline, aws: Aws
) -> None:
    kept = restored(aws_pipeline, aws)
    door.take(aws_pipeline.services, message(event(aws, eTag=kept["etag"])))
    assert len(everything(aws_pipeline)) == 1
    door.take(aws_pipeline.services, message(event(aws, eTag="f" * 32)))
    assert len(everything(aws_pipeline)) == 2


def test_a_version_is_compared_where_a_bucket_keeps_versions(aws_pipeline: Pipeline, aws: Aws) -> None:
    aws.s3.put_bucket_versioning(Bucket=aws.name, VersioningConfiguration={"Status": "Enabled"})
    kept = restored(aws_pipeline, aws)
    assert kept["version"] is not None
    door.take(aws_pipeline.services, message(event(aws, eTag=kept["etag"], versionId=kept["version"])))
    assert len(everything(aws_pipeline)) == 1
    door.take(aws_pipeline.services, message(event(aws, eTag=kept["etag"], versionId="another")))
    newest, _ = everything(aws_pipeline)
    assert newest.source.endswith("uploads/a.mp4?versionId=another")


def test_an_object_that_is_being_brought_back_stays_in_the_queue_until_it_is_there(
    aws_pipeline: Pipeline, aws: Aws
) -> None:
    moderation = rejected(aws_pipeline, aws)
    with write(aws_pipeline.services.engine) as conn:
        # Wanted back, by somebody whose lease the apply actor respects.
        assets.want(conn, moderation.asset_id, Placement.LIBRARY, aws_pipeline.services.clock.now())
        conn.exec_driver_sql("UPDATE assets SET due_at = NULL")
    with pytest.raises(errors.Conflict, match="being brought back"):
        door.take(aws_pipeline.services, message(event(aws)))


def restored(pipeline: Pipeline, aws: Aws) -> dict[str, str | None]:
    """Reject a video and bring it back, and return the etag and version that it has now."""
    moderation = rejected(pipeline, aws)
    approve(pipeline, moderation)
    eventually(lambda: placed(pipeline, moderation) is Placement.LIBRARY)
    pipeline.endpoint.tell(Script())
    there = pipeline.services.media.head(Location(bucket=aws.name, key="uploads/a.mp4"))
    return {"etag": there.etag, "version": there.location.version}


def rejected(pipeline: Pipeline, aws: Aws) -> Moderation:
    pipeline.endpoint.tell(Script.model_validate({"labels": [ALCOHOL]}))
    upload(pipeline, aws, "uploads/a.mp4")
    moderation = pipeline.decided(pipeline.client.enqueue(f"s3://{aws.name}/uploads/a.mp4"))
    eventually(lambda: placed(pipeline, moderation) is Placement.QUARANTINE)
    return moderation


def approve(pipeline: Pipeline, moderation: Moderation) -> None:
    with write(pipeline.services.engine) as conn:
        decisions.override(
            conn,
            moderation.id,
            status=Status.APPROVED,
            by="ada",
            labels=(),
            public_url="http://x",
            now=pipeline.services.clock.now(),
        )


def placed(pipeline: Pipeline, moderation: Moderation) -> Placement | None:
    with read(pipeline.services.engine) as conn:
        asset = assets.by_id(conn, moderation.asset_id)
    return asset.placed if asset is not None and asset.wanted is asset.placed else None


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("elsewhere/a.mp4", "ObjectCreated:Put"),
        ("uploads/folder/", "ObjectCreated:Put"),
        ("uploads/a.mp4", "ObjectRemoved:Delete"),
        ("uploads/a.mp4", "ObjectRestore:Completed"),
    ],
)
def test_what_is_no_new_video_under_the_prefix_is_passed_over(
    aws_pipeline: Pipeline, aws: Aws, counted: dict[str, float], key: str, name: str
) -> None:
    door.take(aws_pipeline.services, message(event(aws, key, name=name)))
    assert outcomes(counted) == {"skipped": 1}
    assert everything(aws_pipeline) == []


@pytest.mark.parametrize("key", ["labels/1/1.jsonl.gz", "quarantine/1/2", "videos/1/2.mp4"])
def test_what_clipwarden_writes_into_its_bucket_is_passed_over_whatever_the_prefix(
    aws_settings: dict[str, dict[str, Any]],
    aws: Aws,
    counted: dict[str, float],
    request: pytest.FixtureRequest,
    key: str,
) -> None:
    aws_settings["s3_intake"]["prefix"] = ""
    pipeline: Pipeline = request.getfixturevalue("aws_pipeline")
    door.take(pipeline.services, message(event(aws, key)))
    assert outcomes(counted) == {"skipped": 1}


def test_an_event_that_comes_again_changes_nothing_and_new_bytes_under_its_key_do(
    aws_pipeline: Pipeline, aws: Aws, counted: dict[str, float]
) -> None:
    first, second = event(aws), event(aws, sequencer="00A2")
    wrapped = json.dumps({"Type": "Notification", "Message": message(first)})
    for body in (message(first), message(first, second), wrapped):
        door.take(aws_pipeline.services, body)
    assert outcomes(counted) == {"ok": 2, "known": 2}
    rows = everything(aws_pipeline)
    assert len({row.id for row in rows}) == 2
    assert len({row.asset_id for row in rows}) == 1


@pytest.mark.parametrize("versions", [{}, {"version": "v1"}], ids=["plain", "versions"])
def test_an_object_that_is_announced_in_two_ways_is_moderated_once(
    aws_pipeline: Pipeline, aws: Aws, counted: dict[str, float], versions: dict[str, str]
) -> None:
    told = event(aws, "uploads/a b.mp4", **{f"{name}Id": value for name, value in versions.items()})
    ways = [message(told), bridged(aws, "uploads/a b.mp4", **{f"{name}-id": value for name, value in versions.items()})]
    for body in [*ways, *(json.dumps({"Type": "Notification", "Message": way}) for way in ways)]:
        door.take(aws_pipeline.services, body)
    assert outcomes(counted) == {"ok": 1, "known": 3}
    assert len(everything(aws_pipeline)) == 1


@pytest.mark.parametrize("changes", [{"kind": "Object Deleted"}, {"key": "elsewhere/a.mp4"}])
def test_what_eventbridge_tells_besides_new_videos_under_the_prefix_is_passed_over(
    aws_pipeline: Pipeline, aws: Aws, counted: dict[str, float], changes: dict[str, str]
) -> None:
    door.take(aws_pipeline.services, bridged(aws, **changes))
    assert outcomes(counted) == {"skipped": 1}
    assert everything(aws_pipeline) == []


def bridged(aws: Aws, key: str = "uploads/a.mp4", *, kind: str = "Object Created", **changes: str) -> str:
    """Return a message as EventBridge sends it of what ``event`` tells of."""
    object_ = {"key": key, "size": 1, "etag": "0" * 32, "sequencer": "00A1", **changes}
    detail = {"bucket": {"name": aws.name}, "object": object_}
    return json.dumps({"version": "0", "detail-type": kind, "source": "aws.s3", "detail": detail})


@pytest.mark.parametrize(
    "bad",
    [
        {"eventName": "ObjectCreated:Put"},
        {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "clips"}, "object": {"key": "uploads/a.mp4"}}},
        "record",
        {**NAMED, "s3": {"bucket": {"name": "clips"}, "object": {"key": "uploads/%00"}}},
        # Judging version x of another object in this one's place would let this one through unseen.
        {**NAMED, "s3": {"bucket": {"name": "clips"}, "object": {"key": "uploads/a.mp4%3FversionId%3Dx"}}},
    ],
    ids=["incomplete", "any moment", "text", "control character", "version in the key"],
)
def test_a_record_that_cannot_be_taken_ends_as_a_dead_letter_and_holds_up_no_other(
    aws_pipeline: Pipeline, aws: Aws, s3_events: Queue, bad: Any
) -> None:
    if "s3" in bad:
        bad = {**bad, "s3": {**bad["s3"], "bucket": {"name": aws.name}}}
    aws.send(s3_events, message(bad, event(aws)))
    eventually(lambda: aws.left(s3_events.dead) == 1)
    assert the_only_one(aws_pipeline).source == f"s3://{aws.name}/uploads/a.mp4"


def of_bucket(aws: Aws, bucket: str, key: str = "uploads/a.mp4") -> dict[str, Any]:
    """Return a record of another bucket."""
    landed = event(aws, key)
    landed["s3"]["bucket"]["name"] = bucket
    return landed


def test_an_event_of_a_bucket_that_is_not_ours_is_passed_over_and_told_of(
    aws_pipeline: Pipeline, aws: Aws, counted: dict[str, float]
) -> None:
    over_eventbridge = bridged(aws).replace(aws.name, "somebody-elses")
    with structlog.testing.capture_logs() as said:
        door.take(aws_pipeline.services, message(of_bucket(aws, "somebody-elses"), event(aws)))
        door.take(aws_pipeline.services, over_eventbridge)
    assert outcomes(counted) == {"foreign": 2, "ok": 1}
    assert the_only_one(aws_pipeline).source == f"s3://{aws.name}/uploads/a.mp4"
    told = [line for line in said if line["event"] == "event of another bucket"]
    assert [(line["bucket"], line["log_level"]) for line in told] == [("somebody-elses", "warning")] * 2
    assert all("CLIPWARDEN_S3_INTAKE__BUCKETS" in line["hint"] for line in told)


@pytest.mark.parametrize(
    ("named", "believed"),
    [
        ({}, {"ours"}),
        ({"pools": {"west": {"region": "us-west-2", "buckets": "west-1,ours"}}}, {"ours", "west-1"}),
        ({"s3_intake": {"buckets": "uploads-1, uploads-2"}}, {"uploads-1", "uploads-2"}),
        ({"s3_intake": {"buckets": "a"}, "pools": {"west": {"region": "us-west-2", "buckets": "b"}}}, {"a"}),
    ],
)
def test_buckets_that_are_believed_are_those_that_are_named_or_else_our_own(
    named: dict[str, Any], believed: set[str]
) -> None:
    assert door.buckets(Settings.model_validate({"media": {"bucket": "ours"}} | named)) == believed


def test_a_bucket_of_another_region_ends_aborted_with_both_regions_named(
    aws_settings: dict[str, dict[str, Any]], aws: Aws, s3_events: Queue, request: pytest.FixtureRequest
) -> None:
    foreign = f"{aws.name}-foreign"
    aws_settings["s3_intake"]["buckets"] = foreign
    aws_pipeline: Pipeline = request.getfixturevalue("aws_pipeline")
    aws.s3.create_bucket(Bucket=foreign, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    upload(aws_pipeline, aws, "uploads/a.mp4", bucket=foreign)
    aws.send(s3_events, message(of_bucket(aws, foreign)))
    moderation = aws_pipeline.decided(the_only_one(aws_pipeline).id)
    assert (moderation.status, moderation.error_code) == (Status.ABORTED, "analysis_refused")
    assert moderation.error_reason is not None
    assert f"bucket {foreign} is in eu-west-1" in moderation.error_reason
    assert "us-east-1" in moderation.error_reason


def test_a_preset_says_how_to_moderate_and_until_there_is_one_events_wait(
    aws_settings: dict[str, dict[str, Any]], aws: Aws, request: pytest.FixtureRequest
) -> None:
    aws_settings["s3_intake"] |= {"preset": "uploads", "public_id": "random"}
    pipeline: Pipeline = request.getfixturevalue("aws_pipeline")
    with pytest.raises(errors.ConfigurationError, match="no preset 'uploads'"):
        door.take(pipeline.services, message(event(aws)))
    options = {"moderation": "manual", "notification_url": "https://shop.example/moderated"}
    with write(pipeline.services.engine) as conn:
        account, now = accounts.by_name(conn, "default"), pipeline.services.clock.now()
        assert account is not None
        presets.ensure(conn, account_id=account.id, name="uploads", options={}, now=now)
        made = presets.ensure(conn, account_id=account.id, name="uploads", options=options, now=now)
        assert presets.by_name(conn, account.id, "uploads") == made
    door.take(pipeline.services, message(event(aws)))
    (moderation,) = everything(pipeline)
    assert (moderation.kind, moderation.notification_urls) == ("manual", ("https://shop.example/moderated",))
    assert public_id(pipeline, moderation) != "uploads/a.mp4"


def test_events_wait_for_an_account_that_does_not_exist_yet(
    aws_settings: dict[str, dict[str, Any]], aws: Aws, request: pytest.FixtureRequest
) -> None:
    aws_settings["s3_intake"]["account"] = "shop"
    pipeline: Pipeline = request.getfixturevalue("aws_pipeline")
    with pytest.raises(errors.ConfigurationError, match="no account 'shop'"):
        door.take(pipeline.services, message(event(aws)))


def test_events_that_come_while_the_database_is_away_are_for_later(
    aws_pipeline: Pipeline, aws: Aws, tmp_path: Path
) -> None:
    with pytest.raises(errors.StoreUnavailable):
        door.take(without_database(aws_pipeline.services, tmp_path), message("unreadable", event(aws)))
