"""The signature of callbacks."""

import time
from typing import Any

import cloudinary
import cloudinary.utils
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden.signature import FUTURE_SKEW, VALID_FOR, sign, verify

ALGORITHMS = st.sampled_from(["sha1", "sha256"])
#: Lone surrogates among it.
anything = st.text(st.characters())
SECRETS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=40)


def sdk_accepts(body: str, timestamp: int, signature: str, secret: str, algorithm: str) -> bool:
    cloudinary.config(api_secret=secret)  # type: ignore[no-untyped-call] # the SDK has no types
    verify_notification: Any = cloudinary.utils.verify_notification_signature
    return bool(verify_notification(body, str(timestamp), signature, algorithm=algorithm))


def test_signs_the_documented_example() -> None:
    assert sign("{public_id: 'sample'}", 1315060510, "abcd") == "25f7e91709c858b97d688ce8da799dedb290d9ef"


@given(body=st.text(), secret=SECRETS, algorithm=ALGORITHMS)
def test_the_official_sdk_accepts_what_was_signed(body: str, secret: str, algorithm: str) -> None:
    now = int(time.time())
    signature = sign(body, now, secret, algorithm)
    assert sdk_accepts(body, now, signature, secret, algorithm)
    assert not sdk_accepts(body + " ", now, signature, secret, algorithm)


@given(body=st.text(), secret=SECRETS, algorithm=ALGORITHMS, now=st.integers(0, 2**40))
def test_verifies_what_was_signed_and_nothing_else(body: str, secret: str, algorithm: str, now: int) -> None:
    signature = sign(body, now, secret, algorithm)
    assert verify(body.encode(), str(now), signature, secret, algorithm, now=now)
    assert not verify(body + "x", now, signature, secret, algorithm, now=now)
    assert not verify(body, now + 1, signature, secret, algorithm, now=now)
    assert not verify(body, now, signature, secret + "x", algorithm, now=now)
    assert not verify(body, now, signature.upper() + "A", secret, algorithm, now=now)


@pytest.mark.parametrize(
    ("age", "accepted"),
    [(0, True), (VALID_FOR, True), (VALID_FOR + 1, False), (-FUTURE_SKEW, True), (-FUTURE_SKEW - 1, False)],
)
def test_accepts_a_signature_only_within_its_window(age: int, accepted: bool) -> None:  # noqa: FBT001 # a table
    assert verify("{}", 10_000, sign("{}", 10_000, "k"), "k", now=10_000 + age) is accepted


@pytest.mark.parametrize("timestamp", ["", "soon", "1e3", "0x10", "9" * 400, "-" + "9" * 400, "9" * 5000])
def test_a_timestamp_that_is_no_moment_is_refused(timestamp: str) -> None:
    assert not verify("{}", timestamp, "", "k")


@given(body=anything, signature=anything, timestamp=anything | st.integers().map(str))
def test_no_header_whatever_breaks_the_check(body: str, signature: str, timestamp: str) -> None:
    assert not verify(body, timestamp, signature, "k", now=0.5)


def test_other_algorithms_and_an_empty_secret_are_errors() -> None:
    with pytest.raises(ValueError, match="md5"):
        sign("{}", 1, "k", "md5")
    with pytest.raises(ValueError, match="secret"):
        sign("{}", 1, "")
