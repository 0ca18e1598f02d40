import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden import errors
from clipwarden.store import cursor

MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(created_at=MOMENTS, id=st.uuids())
def test_a_cursor_leads_back_to_its_row(created_at: datetime, id: uuid.UUID) -> None:
    assert cursor.decode(cursor.encode(created_at, str(id))) == (created_at, str(id))


@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), id=st.uuids())
def test_a_cursor_over_names_leads_back_to_its_row(name: str, id: uuid.UUID) -> None:
    assert cursor.decode_name(cursor.encode(name, str(id))) == (name, str(id))


@given(text=st.text(max_size=60) | st.from_regex(r"\A\.[A-Za-z0-9_=-]{,60}\Z"))
def test_a_text_that_is_no_cursor_over_names_is_a_conflict_and_nothing_else(text: str) -> None:
    try:
        name, id = cursor.decode_name(text)
    except errors.Conflict:
        return
    assert cursor.encode(name, id) == text
    assert "\0" not in name


@given(created_at=MOMENTS, id=st.uuids())
def test_a_cursor_needs_no_escaping_in_a_url(created_at: datetime, id: uuid.UUID) -> None:
    text = cursor.encode(created_at, str(id))
    assert text.replace("-", "").replace("_", "").isalnum()
    assert len(text) == 32


def test_a_cursor_names_an_instant_not_a_wall_clock() -> None:
    moment, id = datetime(2026, 3, 1, 12, tzinfo=UTC), str(uuid.uuid4())
    elsewhere = moment.astimezone(timezone(timedelta(hours=5)))
    assert cursor.encode(elsewhere, id) == cursor.encode(moment, id)


@given(text=st.text(max_size=40))
def test_a_text_that_is_no_cursor_is_a_conflict_and_nothing_else(text: str) -> None:
    try:
        created_at, id = cursor.decode(text)
    except errors.Conflict:
        return
    assert cursor.encode(created_at, id) == text


@pytest.mark.parametrize("text", ["", "x", "é" * 32, "=" * 32, "f" + "_" * 31, "A" * 31, "A" * 36, "A" * 30 + "+/"])
def test_a_cursor_that_nobody_gave_out_is_refused(text: str) -> None:
    with pytest.raises(errors.Conflict, match="cursor"):
        cursor.decode(text)
