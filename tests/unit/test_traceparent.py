"""Places of spans: read from anywhere, and the same for all who ask for a moderation's."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden import ids, traceparent
from clipwarden.traceparent import Place

_TEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_what_is_written_is_read(trace_id: int, span_id: int, sampled: bool) -> None:  # noqa: FBT001
    place = Place(trace_id=trace_id, span_id=span_id, sampled=sampled)
    assert Place.parse(str(place)) == place


@given(st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}") | st.integers() | st.none())
def test_anything_is_a_place_or_none_and_never_an_error(text: object) -> None:
    place = Place.parse(text)
    assert place is None or (place.trace_id > 0 and place.span_id > 0)


@pytest.mark.parametrize(
    "text",
    [
        _TEXT.upper(),
        _TEXT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        _TEXT.replace("b7ad6b7169203331", "0" * 16),
        f"ff{_TEXT[2:]}",
        f"{_TEXT}\n",
        _TEXT.encode(),
    ],
)
def test_what_the_standard_calls_invalid_is_none(text: object) -> None:
    assert Place.parse(_TEXT) is not None
    assert Place.parse(text) is None


def test_all_agree_on_the_place_of_a_moderations_first_span() -> None:
    id = "01934567-89ab-7cde-8f01-23456789abcd"
    program = f"from clipwarden import traceparent; print(traceparent.root({id!r}))"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert told.strip() == str(traceparent.root(id))
    assert traceparent.root(ids.new_id()).trace_id != traceparent.root(id).trace_id


def test_a_sampler_of_a_share_keeps_about_that_share_of_the_moderations() -> None:
    # Samplers look at the low bits, which in an id like ours say that it is one.
    low = [traceparent.root(ids.new_id()).trace_id & (2**64 - 1) for _ in range(2000)]
    assert 800 < sum(number < 2**63 for number in low) < 1200
