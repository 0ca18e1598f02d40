"""Landings: each form of an event is understood, and what one upload is told by is told by no other."""

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden import errors
from clipwarden.moderation import Location
from clipwarden_workers import landings, sqs

keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=100)
facts = st.fixed_dictionaries(
    {
        "bucket": st.from_regex(r"[a-z0-9.-]{3,20}", fullmatch=True),
        "key": keys,
        "etag": st.from_regex(r"[0-9a-f]{8}(-[0-9]{1,2})?", fullmatch=True),
        "sequencer": st.from_regex(r"[0-9A-F]{4,18}", fullmatch=True),
        "version": st.none() | st.from_regex(r"[A-Za-z0-9._]{1,32}", fullmatch=True),
    }
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def recorded(
    *, bucket: str, key: str, etag: str, sequencer: str, version: str | None, name: str = "ObjectCreated:Put"
) -> dict[str, Any]:
    """Return a record as a bucket sends it."""
    object_ = {"key": quote_plus(key), "size": 1, "eTag": etag, "sequencer": sequencer}
    versioned = {"versionId": version} if version else {}
    time = "2026-03-01T12:00:00.123Z"
    place = {"bucket": {"name": bucket}, "object": object_ | versioned}
    return {"eventSource": "aws:s3", "eventName": name, "eventTime": time, "s3": place}


def bridged(
    *, bucket: str, key: str, etag: str, sequencer: str, version: str | None, kind: str = "Object Created"
) -> dict[str, Any]:
    """Return an event as EventBridge hands it on."""
    object_ = {"key": key, "size": 1, "etag": etag, "sequencer": sequencer}
    versioned = {"version-id": version} if version else {}
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "time": "2026-03-01T12:00:00Z",
        "detail": {"bucket": {"name": bucket}, "object": object_ | versioned, "reason": "PutObject"},
    }


FACTS: dict[str, Any] = {"bucket": "clips", "key": "a b.mp4", "etag": "e", "sequencer": "00A1", "version": None}


def one(body: object) -> landings.Landing:
    """Return the only landing that a message tells of."""
    (event,) = landings.events(sqs.unwrap(json.dumps(body))) or []
    landing = landings.read(event)
    assert landing is not None
    return landing


def enveloped(body: object) -> dict[str, str]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:s3", "Message": json.dumps(body)}


@given(facts)
def test_an_upload_is_the_same_landing_whichever_way_it_is_told(told: dict[str, Any]) -> None:
    plain, over = {"Records": [recorded(**told)]}, bridged(**told)
    forms = [one(form) for form in (plain, over, enveloped(plain), enveloped(over))]
    expected = Location(
        bucket=told["bucket"], key=told["key"], version=None if told["version"] == "null" else told["version"]
    )
    assert all((form.location, form.etag) == (expected, told["etag"]) for form in forms)
    assert len({form.identity for form in forms}) == 1


@given(facts, facts)
def test_two_uploads_are_two_landings(first: dict[str, Any], second: dict[str, Any]) -> None:
    def content(told: dict[str, Any]) -> tuple[Any, ...]:
        version = told["version"] if told["version"] != "null" else None
        return (told["bucket"], told["key"], version or (told["etag"], told["sequencer"]))

    same = one(bridged(**first)).identity == one({"Records": [recorded(**second)]}).identity
    assert same == (content(first) == content(second))


@pytest.mark.parametrize("change", ["bucket", "key", "etag", "sequencer", "version"])
def test_each_fact_of_an_upload_makes_it_another(change: str) -> None:
    assert one(bridged(**FACTS)).identity != one(bridged(**{**FACTS, change: "other"})).identity


@pytest.mark.parametrize("key", ["a+b.mp4", "a%20b.mp4", "50%.mp4", "é.mp4"])
def test_a_key_that_comes_over_eventbridge_is_taken_literally(key: str) -> None:
    assert one(bridged(**{**FACTS, "key": key})).location.key == key


def test_the_version_null_is_no_version() -> None:
    for form in (bridged(**{**FACTS, "version": "null"}), {"Records": [recorded(**{**FACTS, "version": "null"})]}):
        assert one(form).location.version is None
        assert one(form).identity == one(bridged(**FACTS)).identity


@pytest.mark.parametrize(
    "event",
    [
        recorded(**FACTS, name="ObjectRemoved:Delete"),
        recorded(**FACTS, name="ObjectTagging:Put"),
        bridged(**FACTS, kind="Object Deleted"),
        bridged(**FACTS, kind="Object Tags Added"),
        {"detail-type": "Object Restore Completed", "source": "aws.s3", "detail": None},
    ],
)
def test_an_event_of_another_kind_is_no_landing(event: dict[str, Any]) -> None:
    assert landings.read(event) is None


@pytest.mark.parametrize(
    "message",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "clips"},
        {**bridged(**FACTS), "source": "shop.uploads"},
        {"Records": "none"},
        {},
    ],
    ids=["test event", "another source", "text", "empty"],
)
def test_a_message_that_is_not_of_s3s_objects_has_no_events(message: dict[str, Any]) -> None:
    assert landings.events(message) is None


def test_where_a_store_gives_no_sequencer_the_time_of_the_event_tells_uploads_apart() -> None:
    bare = recorded(**{**FACTS, "sequencer": ""})
    later = bare | {"eventTime": "2026-03-01T12:00:01.000Z"}
    assert one({"Records": [bare]}).identity == one({"Records": [bare]}).identity
    assert one({"Records": [bare]}).identity != one({"Records": [later]}).identity


def test_an_event_that_could_be_of_any_upload_of_the_same_bytes_is_refused() -> None:
    bare = recorded(**{**FACTS, "sequencer": ""}) | {"eventTime": ""}
    with pytest.raises(errors.MessageError, match="neither version nor sequencer nor time"):
        landings.read(bare)
    assert landings.read(recorded(**{**FACTS, "sequencer": "", "version": "v1"}) | {"eventTime": ""}) is not None


@given(json_values)
def test_whatever_comes_is_read_or_refused(value: Any) -> None:
    for event in (
        value,
        {"detail-type": "Object Created", "detail": value},
        {"detail-type": value},
        {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "clips"}, "object": value}},
        {"eventName": "ObjectCreated:Put", "s3": value, "eventTime": value},
        bridged(**{**FACTS, "etag": value}),
        bridged(**{**FACTS, "sequencer": value}),
        bridged(**{**FACTS, "version": value}),
    ):
        try:
            landing = landings.read(event)
        except errors.MessageError:
            continue
        assert landing is None or landing.identity
    for message in ({"Records": value}, {"source": value}, {"source": "aws.s3", "detail-type": value}):
        assert isinstance(landings.events(message), list | None)


@given(st.binary(max_size=30).map(quote_plus))
def test_a_key_that_is_not_utf_8_is_still_read_and_has_an_identity(encoded: str) -> None:
    event = recorded(**FACTS)
    event["s3"]["object"]["key"] = encoded
    landing = landings.read(event)
    assert landing is not None
    assert landing.identity
