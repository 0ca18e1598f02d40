"""The intake message: bounds, ids, and the way onto the bus and off it."""

import uuid
from typing import Any

import dramatiq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden import errors, message
from clipwarden.message import IntakeMessage

ID = "0193a5b2-7c1e-7d3f-8a4b-5c6d7e8f9a0b"
LEAST: dict[str, Any] = {"v": 1, "id": ID, "source": "s3://bucket/key.mp4"}

printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=255)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def test_the_least_message_gets_the_documented_defaults() -> None:
    read = message.read(LEAST)
    assert read.model_dump() == {
        "v": 1,
        "id": ID,
        "account": "default",
        "source": "s3://bucket/key.mp4",
        "moderation": "aws_rek_video",
        "notification_url": None,
        "public_id": None,
        "idempotency_key": None,
        "priority": 0,
    }


def test_fields_of_the_future_are_passed_over() -> None:
    assert message.read({**LEAST, "shelf": 7}) == message.read(LEAST)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"v": 2}, "v:"),
        ({"id": None}, "id:"),
        ({"id": "x" * 36}, "id:"),
        ({"id": ID + "0"}, "id:"),
        ({"source": ""}, "source:"),
        ({"source": "x" * 4097}, "source:"),
        ({"source": "s3://bucket/\x00"}, "source:"),
        ({"source": "s3://bucket/\ud800"}, "source:"),
        ({"account": "a" * 256}, "account:"),
        ({"account": "line\nbreak"}, "account:"),
        ({"moderation": 5}, "moderation:"),
        ({"notification_url": "http://a/ " * 11}, "notification_url:"),
        ({"public_id": ""}, "public_id:"),
        ({"idempotency_key": "k" * 256}, "idempotency_key:"),
        ({"priority": 101}, "priority:"),
        ({"priority": -101}, "priority:"),
        ({"priority": "1"}, "priority:"),
        ({"priority": True}, "priority:"),
    ],
)
def test_a_field_out_of_its_bounds_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(errors.MessageError, match=named):
        message.read({**LEAST, **changes})


@pytest.mark.parametrize("field", ["id", "source"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(errors.MessageError, match=f"{field}: Field required"):
        message.read({key: value for key, value in LEAST.items() if key != field})


@given(json_values)
def test_whatever_is_sent_is_read_or_refused_as_a_message(payload: object) -> None:
    with pytest.raises(errors.MessageError, match="unreadable message"):
        message.read(payload)


@given(json_values, st.sampled_from(list(IntakeMessage.model_fields)))
def test_whatever_a_field_holds_the_message_is_read_or_refused(value: object, field: str) -> None:
    try:
        message.read({**LEAST, field: value})
    except errors.MessageError as exc:
        assert f"{field}" in str(exc)  # noqa: PT017 # which of the two happens depends on the value


@given(source=printable, public_id=printable, key=st.none() | printable, priority=st.integers(-100, 100))
def test_a_composed_message_survives_the_bus(source: str, public_id: str, key: str | None, priority: int) -> None:
    sent = IntakeMessage.compose(source=source, public_id=public_id, idempotency_key=key, priority=priority)
    received: dramatiq.Message[None] = dramatiq.Message.decode(sent.to_dramatiq().encode())
    assert (received.queue_name, received.actor_name, received.args) == ("intake", "intake", ())
    assert message.read(received.kwargs["message"]) == sent


def test_a_message_without_a_key_gets_an_id_of_its_own() -> None:
    first, second = (IntakeMessage.compose(source="s3://b/k") for _ in range(2))
    assert first.id != second.id
    assert uuid.UUID(first.id).version == 7


def test_account_and_key_always_lead_to_the_same_id_and_no_others_do() -> None:
    first = IntakeMessage.compose(source="s3://b/k", idempotency_key="order 1")
    again = IntakeMessage.compose(source="s3://b/other", idempotency_key="order 1")
    elsewhere = IntakeMessage.compose(source="s3://b/k", idempotency_key="order 1", account="other")
    assert first.id == again.id != elsewhere.id


def test_an_id_is_read_in_any_spelling_and_kept_in_one() -> None:
    assert message.read({**LEAST, "id": ID.replace("-", "").upper()}).id == ID


def test_several_notification_urls_are_separated_by_commas_or_spaces_and_each_counts_once() -> None:
    read = message.read({**LEAST, "notification_url": "https://a/1, https://b/2 https://a/1,https://c/3"})
    assert read.notification_urls == ("https://a/1", "https://b/2", "https://c/3")
    assert message.read(LEAST).notification_urls == ()


def test_the_complaint_about_a_message_does_not_repeat_what_was_in_it() -> None:
    with pytest.raises(errors.MessageError) as refused:
        message.read({**LEAST, "source": "https://user:secret@host/" + "x" * 5000})
    assert "secret" not in str(refused.value)
