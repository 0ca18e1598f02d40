"""Bytes are recognised when they come again, and others are never taken for them."""

import hashlib
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clipwarden.media.fingerprint import Digesting, fingerprint
from clipwarden.media.store import Stored
from clipwarden.moderation import Location

STORED_AT = datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC)
TEXT = st.text(max_size=6)


def _stored(*, version: str | None = None, key: str = "a.mp4", bucket: str = "clips", **changes: Any) -> Stored:
    place = Location(bucket=bucket, key=key, version=version)
    values: dict[str, Any] = {"location": place, "bytes": 9, "etag": "e", "modified": STORED_AT}
    return Stored(**(values | changes))


@settings(deadline=None)
@given(st.binary(max_size=300_000), st.lists(st.integers(1, 200_000), max_size=5))
def test_a_stream_is_passed_on_as_it_is_and_digested_however_it_is_read(data: bytes, sizes: list[int]) -> None:
    digesting = Digesting(io.BytesIO(data))
    stream = digesting.buffered()
    passed = b"".join([*(stream.read(size) for size in sizes), stream.read()])
    assert passed == data
    assert digesting.hexdigest() == hashlib.sha256(data).hexdigest()


def test_bytes_whose_digest_is_known_are_recognised_wherever_they_are() -> None:
    assert fingerprint(_stored(key="b.mp4", etag="f"), "00ff") == fingerprint(_stored(), "00ff") == "sha256:00ff"


def test_a_version_is_recognised_whatever_else_is_said_of_it() -> None:
    assert fingerprint(_stored(version="v1", modified=None), None) == fingerprint(_stored(version="v1"), None)


def test_an_object_that_was_put_again_is_not_taken_for_the_one_before_even_with_the_same_etag() -> None:
    later = _stored(modified=STORED_AT + timedelta(seconds=1))
    assert fingerprint(later, None) != fingerprint(_stored(), None)


def test_an_object_of_which_neither_version_nor_time_is_known_is_not_recognised_at_all() -> None:
    assert fingerprint(_stored(modified=None), None) is None


@settings(deadline=None)
@given(st.tuples(TEXT, TEXT, TEXT), st.tuples(TEXT, TEXT, TEXT))
def test_two_objects_never_have_the_same_fingerprint(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    made = [
        fingerprint(_stored(bucket=bucket, key=key, version=version), None) for bucket, key, version in (one, other)
    ]
    assert (made[0] == made[1]) == (one == other)
