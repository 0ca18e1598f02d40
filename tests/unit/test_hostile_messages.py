"""Messages of queues are understood or refused, whatever envelope they come in and whatever is in it."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clipwarden import errors
from clipwarden_workers import landings, sqs
from fuzzing import tried
from hostile import json_values, messages, texts


def understood(body: str) -> list[landings.Landing]:
    """Return what a message tells of; raises nothing but MessageError."""
    found = []
    try:
        events = landings.events(sqs.unwrap(body)) or []
    except errors.MessageError:
        return []
    for event in events:
        try:
            found.append(landings.read(event))
        except errors.MessageError:
            continue
    return [landing for landing in found if landing is not None]


@given(body=texts | messages.map(json.dumps))
def test_any_message_is_understood_or_refused(body: str) -> None:
    for landing in understood(body):
        assert landing.identity
        assert str(landing.location)


@given(inner=messages, version=json_values, etag=json_values, sequencer=json_values)
def test_an_s3_event_with_anything_in_any_place_is_understood_or_refused(
    inner: Any, version: Any, etag: Any, sequencer: Any
) -> None:
    object_ = {"key": inner, "versionId": version, "version-id": version, "eTag": etag, "etag": etag}
    place = {"bucket": {"name": inner}, "object": object_ | {"sequencer": sequencer}}
    for event in (
        {"eventName": "ObjectCreated:Put", "eventTime": inner, "s3": place},
        {"detail-type": "Object Created", "source": "aws.s3", "time": inner, "detail": place},
    ):
        plain = json.dumps({"Records": [event]})
        over = json.dumps({"Type": "Notification", "Message": plain})
        assert [one.identity for one in understood(plain)] == [one.identity for one in understood(over)]
        understood(json.dumps(event))


@tried(0.1)
@given(depth=st.integers(1, 100_000), opening=st.sampled_from(["[", '{"Message":', '{"Records":[']))
def test_a_message_of_any_depth_is_refused(depth: int, opening: str) -> None:
    assert not understood(opening * depth)
    assert not understood('{"Type": "Notification", "Message": ' + json.dumps(opening * depth) + "}")


@tried(0.1)
@given(envelopes=st.integers(2, 6))
def test_one_envelope_is_opened_and_no_more(envelopes: int) -> None:
    body: Any = {"Records": []}
    for _ in range(envelopes):
        body = {"Type": "Notification", "Message": json.dumps(body)}
    assert sqs.unwrap(json.dumps(body))["Type"] == "Notification"
