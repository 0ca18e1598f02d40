"""What guards the endpoint's door: the wire form, the parameters, the rate, the tokens."""

import base64
import json
import pickle
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden_local.analysis import lite0
from clipwarden_local.endpoint.pagination import Pages
from clipwarden_local.endpoint.protocol import ServiceError, read_call
from clipwarden_local.endpoint.throttle import Throttle
from clipwarden_local.endpoint.validation import input_shapes, validate

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/rekognition/aws4_request, "
    "SignedHeaders=host;x-amz-date;x-amz-target, Signature=00"
)
HEADERS = {"X-Amz-Target": "RekognitionService.GetContentModeration", "Authorization": AUTHORIZATION}
SHAPES = input_shapes("StartContentModeration", "GetContentModeration")
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_a_call_says_what_is_asked_and_in_which_region() -> None:
    call = read_call(HEADERS | {"amz-sdk-request": "attempt=2; max=3"}, b'{"JobId": "a"}')
    assert (call.operation, call.region, call.parameters) == ("GetContentModeration", "eu-central-1", {"JobId": "a"})
    assert call.attempt == "attempt=2; max=3"


@pytest.mark.parametrize(
    ("headers", "body", "name"),
    [
        ({"Authorization": AUTHORIZATION}, b"{}", "UnknownOperationException"),
        (HEADERS | {"X-Amz-Target": "Other.GetContentModeration"}, b"{}", "UnknownOperationException"),
        (HEADERS | {"Authorization": ""}, b"{}", "MissingAuthenticationTokenException"),
        (
            HEADERS | {"Authorization": AUTHORIZATION.replace("/rekognition/", "/s3/")},
            b"{}",
            "InvalidSignatureException",
        ),
        (HEADERS, b"{", "SerializationException"),
        (HEADERS, b"[]", "SerializationException"),
    ],
)
def test_what_is_not_a_call_is_refused(headers: dict[str, str], body: bytes, name: str) -> None:
    with pytest.raises(ServiceError) as caught:
        read_call(headers, body)
    assert caught.value.name == name
    document = json.loads(caught.value.body())
    assert document["__type"] == document["Code"] == name
    assert document["Message"]


@given(
    st.sampled_from(sorted(SHAPES)),
    st.dictionaries(
        st.sampled_from(
            ["JobId", "Video", "MinConfidence", "NextToken", "SortBy", "NotificationChannel", "MaxResults"]
        ),
        JSON,
    ),
)
def test_no_parameters_break_the_validation(operation: str, parameters: dict[str, Any]) -> None:
    try:
        validate(SHAPES[operation], parameters)
    except ServiceError as refusal:
        assert refusal.name in ("SerializationException", "ValidationException")  # noqa: PT017 - passing is right, too


def test_all_complaints_are_made_at_once() -> None:
    with pytest.raises(ServiceError, match="2 validation errors detected") as caught:
        validate(SHAPES["GetContentModeration"], {"MaxResults": 0, "SortBy": "X"} | {"JobId": "fine"})
    assert "'maxResults'" in caught.value.message
    assert "'sortBy'" in caught.value.message


def test_not_a_number_is_no_confidence() -> None:
    video = {"S3Object": {"Bucket": "bucket", "Name": "a"}}
    with pytest.raises(ServiceError, match="minConfidence"):
        validate(SHAPES["StartContentModeration"], {"Video": video, "MinConfidence": float("nan")})


@given(st.binary(max_size=60), st.integers(0, 2**32 - 1))
def test_only_the_unchanged_token_is_read(noise: bytes, offset: int) -> None:
    pages = Pages(b"secret", lambda: 0.0)
    reading = ("job", "TIMESTAMP", "TIMESTAMPS")
    token = pages.token(offset, reading)
    assert len(token) <= 255
    assert pages.offset(token, reading) == offset
    forged = base64.urlsafe_b64encode(noise).decode()
    for wrong in (forged, token[:-4], token + forged, noise.decode("latin-1")):
        if wrong != token:
            with pytest.raises(ServiceError, match="InvalidPaginationToken"):
                pages.offset(wrong, reading)
    with pytest.raises(ServiceError):
        Pages(b"another", lambda: 0.0).offset(token, reading)


@given(st.lists(st.floats(0, 2), max_size=60), st.integers(1, 20))
def test_no_more_calls_pass_than_the_rate_and_one_rest_allow(pauses: list[float], rate: int) -> None:
    now = 0.0
    throttle = Throttle({"Start": float(rate)}, lambda: now)
    passed = 0
    for pause in pauses:
        now += pause
        try:
            throttle.admit("Start", "region")
        except ServiceError:
            continue
        passed += 1
    assert passed <= rate + rate * now + 1e-6


def test_a_rate_of_zero_is_no_limit_and_regions_do_not_share_one() -> None:
    throttle = Throttle({"Start": 1.0, "Get": 0.0}, lambda: 0.0)
    for _ in range(50):
        throttle.admit("Get", "a")
    throttle.admit("Start", "a")
    throttle.admit("Start", "b")
    with pytest.raises(ServiceError, match="ProvisionedThroughputExceeded"):
        throttle.admit("Start", "a")


class Harmful:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("executed",))


def test_weights_that_name_anything_else_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pickle.UnpicklingError, match="print has no place"):
        lite0._Unpickler(BytesIO(pickle.dumps(Harmful()))).load()
    assert capsys.readouterr().out == ""
