"""Identifiers are ordered, derived and bounded as promised."""

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from clipwarden import ids


def test_new_ids_are_version_7_and_differ() -> None:
    made = [ids.new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {(uuid.UUID(value).version, uuid.UUID(value).variant) for value in made} == {(7, uuid.RFC_4122)}


def test_new_ids_sort_by_the_millisecond_of_their_making() -> None:
    made = [ids.new_id() for _ in range(1000)]
    milliseconds = [uuid.UUID(value).int >> 80 for value in made]
    assert milliseconds == sorted(milliseconds)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_derived_ids_are_equal_only_for_equal_parts(one: list[str], other: list[str]) -> None:
    assert (ids.derived_id(*one) == ids.derived_id(*other)) == (one == other)


@given(st.uuids(), st.integers(min_value=0, max_value=10**6))
def test_a_request_token_is_one_that_rekognition_takes(moderation: uuid.UUID, attempt: int) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", ids.request_token(str(moderation), attempt))
