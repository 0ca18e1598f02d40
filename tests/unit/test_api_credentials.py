"""Signatures as Cloudinary's SDK makes them are taken, and nothing else is."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import cloudinary.utils
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden.moderation import Account
from clipwarden_api import credentials
from clipwarden_api.credentials import Caller
from clipwarden_api.refusals import Refusal

SECRET = "abcd"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
sign: Any = cloudinary.utils.api_sign_request

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
parameters = st.dictionaries(
    st.sampled_from(["public_id", "tags", "moderation", "context", "notification_url", "folder"]), words
)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(id="a", name="shop", api_key="key", api_secret=SECRET, created_at=NOW)
    monkeypatch.setattr(credentials, "_known", lambda *_: Caller(account=account, key="key", secret=SECRET))


def verify(values: dict[str, Any], *, lenient: bool = False, now: datetime = NOW) -> Caller:
    return credentials.by_signature(None, "shop", values, now, lenient=lenient)  # type: ignore[arg-type]


def signed(values: dict[str, Any], **options: Any) -> dict[str, Any]:
    all_of_them = {**values, "timestamp": values.get("timestamp", STAMP)}
    return {**all_of_them, "signature": sign(all_of_them, SECRET, **options), "api_key": "key"}


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@given(values=parameters)
def test_what_the_sdk_signs_is_taken(algorithm: str, values: dict[str, str]) -> None:
    request = signed(values, algorithm=algorithm)
    assert verify({**request, "file": "anything", "resource_type": "video"}).account.name == "shop"


@given(values=parameters, name=st.sampled_from(["public_id", "moderation"]), value=words.filter(bool))
def test_a_parameter_that_was_changed_or_added_spoils_the_signature(
    values: dict[str, str], name: str, value: str
) -> None:
    request = signed(values)
    if request.get(name) == value:
        return
    with pytest.raises(Refusal, match="Invalid Signature"):
        verify({**request, name: value})


def test_a_value_cannot_smuggle_another_parameter_in() -> None:
    text = f"public_id=x&tags=evil&timestamp={STAMP}"
    old = hashlib.sha1(f"{text}{SECRET}".encode()).hexdigest()
    with pytest.raises(Refusal, match="Invalid Signature"):
        verify({"public_id": "x&tags=evil", "timestamp": STAMP, "signature": old, "api_key": "key"})
    new = sign({"public_id": "x&tags=evil", "timestamp": STAMP}, SECRET, signature_version=2)
    verify({"public_id": "x&tags=evil", "timestamp": STAMP, "signature": new, "api_key": "key"})


def test_lists_are_signed_under_their_bare_name() -> None:
    values = {"public_ids": ["a", "b"], "tag": "t", "timestamp": STAMP}
    request = {**values, "signature": sign(values, SECRET), "api_key": "key"}
    verify(request)
    with pytest.raises(Refusal):
        verify({**request, "notification_url": "https://elsewhere"})
    verify({**request, "notification_url": "https://elsewhere"}, lenient=True)


@pytest.mark.parametrize(
    ("seconds", "complaint"),
    [(-3601, "more than 1 hour ago"), (3601, "more than 1 hour ahead"), (-3599, None), (3599, None)],
)
def test_a_signature_is_good_for_an_hour(seconds: int, complaint: str | None) -> None:
    request = signed({"timestamp": str(int(STAMP) + seconds)})
    if complaint is None:
        verify(request)
        return
    with pytest.raises(Refusal, match=complaint):
        verify(request)


@pytest.mark.parametrize("stamp", ["", "now", "1e9", "9" * 30, "9" * 12, "١٢٣"])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    with pytest.raises(Refusal):
        verify(signed({"timestamp": stamp}))


@given(st.text(max_size=80))
def test_no_text_is_taken_for_a_signature(text: str) -> None:
    with pytest.raises(Refusal, match="Invalid Signature"):
        verify({"timestamp": STAMP, "signature": text, "api_key": "key"})


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Basic " + base64.b64encode(b"key:se:cret").decode(), ("key", "se:cret")),
        ("basic " + base64.b64encode(b"key:").decode(), ("key", "")),
        ("Bearer abc", None),
        ("Basic ???", None),
        ("Basic \xe9", None),
        ("Basic " + base64.b64encode(b"\xff:x").decode(), None),
        ("Basic " + base64.b64encode(b"key").decode(), None),
        ("", None),
    ],
)
def test_basic_authentication_is_read_without_trust(header: str, found: tuple[str, str] | None) -> None:
    assert credentials.basic(header) == found


@given(st.text(st.characters(max_codepoint=255)))
def test_no_header_whatever_breaks_basic_authentication(text: str) -> None:
    for header in (text, f"Basic {text}"):
        assert credentials.basic(header) is None or ":" in base64.b64decode(header[6:].strip()).decode()
