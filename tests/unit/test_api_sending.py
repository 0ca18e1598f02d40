"""Which bytes of an object a request asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden_api.sending import span_of


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        (None, (0, 1000)),
        ("bytes=0-0", (0, 1)),
        ("bytes=100-", (100, 1000)),
        ("bytes=-10", (990, 1000)),
        ("bytes=5-99999999", (5, 1000)),
        ("bytes=1000-", None),
        ("bytes=-0", None),
        ("bytes=5-4", None),
        # What a server does not understand it ignores.
        ("bytes=-", (0, 1000)),
        ("bytes=0-1,5-6", (0, 1000)),
        ("lines=1-2", (0, 1000)),
    ],
)
def test_a_range_names_its_bytes(asked: str | None, span: tuple[int, int] | None) -> None:
    assert span_of(asked, 1000) == span


@given(st.text(max_size=30) | st.from_regex(r"bytes=\d{0,6}-\d{0,6}", fullmatch=True), st.integers(1, 10**6))
def test_a_span_lies_within_the_object(asked: str, size: int) -> None:
    span = span_of(asked, size)
    assert span is None or 0 <= span[0] < span[1] <= size
