"""A request's body is read or refused, whatever it is made of, and the same however it is cut."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bodies import cut, read, request
from clipwarden import errors
from clipwarden.settings import UploadSettings
from clipwarden_api import text
from clipwarden_api.jsonbody import JsonBody
from fuzzing import tried

FORM = "multipart/form-data; boundary=b"
#: What forms are made of, so that chance comes further than to the first line.
crumbs = st.sampled_from(
    [
        *(
            b"--b\r\n",
            b"--b--",
            b"--b",
            b"\r\n",
            b"\r\n\r\n",
            b"\r",
            b"\n",
            b"-",
            b":",
            b";",
            b'"',
            b"=",
            b"\0",
            b"\xff",
        ),
        *(b'Content-Disposition: form-data; name="a"\r\n\r\n', b'Content-Disposition: form-data; name="file"'),
        *(b'; filename="f.mp4"', b"; filename*=utf-8''%e2%82", b"; filename*=x'y'%41", b"; name*0*=x''%ff; name*1=b"),
        *(b"Content-Type: text/plain", b"Content-Transfer-Encoding: base64", b"data:;base64,AAAA", b"1"),
    ]
)
forms = st.lists(crumbs | st.binary(max_size=4), max_size=24).map(b"".join)
#: Of a header: no line ends in it.
octets = st.binary(max_size=30).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))
options = st.lists(
    octets
    | st.sampled_from([b";", b'"', b"\\", b"'", b"*", b"=", b"%", b"name", b"filename", b"charset", b"boundary"]),
    max_size=10,
).map(b"".join)
cuts = st.lists(st.integers(0, 5000), max_size=8)
#: Small, so that its limits are met.
TIGHT = UploadSettings(fields=20, fields_bytes=8192, data_uri_bytes=4000)


def outcome(pieces: list[bytes], kind: str) -> object:
    """Return what was read, or that it was refused; lets every other error through."""
    try:
        return read(request(pieces, kind), TIGHT).told
    except (errors.RequestRefused, errors.MediaRefused) as exc:
        assert str(exc)  # noqa: PT017 # either outcome is right
        return "refused"


@given(body=forms, places=cuts)
def test_any_parts_are_read_or_refused_however_they_are_cut(body: bytes, places: list[int]) -> None:
    assert outcome([body], FORM) == outcome(cut(body, places), FORM)


@given(more=options, places=cuts)
def test_any_header_of_a_part_is_read_or_refused(more: bytes, places: list[int]) -> None:
    for head in (b'form-data; name="a"' + more, b"form-data; name=" + more, more):
        body = b"--b\r\nContent-Disposition: " + head + b"\r\nContent-Type: " + more + b"\r\n\r\n1\r\n--b--"
        assert outcome([body], FORM) == outcome(cut(body, places), FORM)


@given(more=options, body=forms)
def test_any_type_of_a_body_is_read_or_refused(more: bytes, body: bytes) -> None:
    for kind in (f"multipart/form-data; {more.decode('latin-1')}", more.decode("latin-1")):
        outcome([body], kind)


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(value=json_values, tail=st.sampled_from([b"", b"}", b"]", b"\0", b" ", b'{"a":1}']), places=cuts)
def test_any_json_is_read_or_refused(value: Any, tail: bytes, places: list[int]) -> None:
    for body in (json.dumps(value).encode() + tail, json.dumps({"a": value}).encode() + tail):
        assert outcome([body], "application/json") == outcome(cut(body, places), "application/json")


@tried(0.1)
@given(depth=st.integers(1, 4000), opening=st.sampled_from(["[", '{"a":', '[{"a":', "[[],"]))
def test_json_of_any_depth_is_read_or_refused(depth: int, opening: str) -> None:
    closing = {"[": "]", '{"a":': "}", '[{"a":': "}]", "[[],": "]"}[opening]
    outcome([('{"a":' + opening * depth + "1" + closing * depth + "}").encode()], "application/json")


@given(data=st.binary(max_size=60))
def test_any_bytes_are_text_that_can_be_stored_or_refused(data: bytes) -> None:
    try:
        found = text.decode(data, "it")
    except errors.RequestRefused:
        return
    assert found.encode() == data
    assert "\0" not in found


@given(data=st.binary(max_size=60))
def test_what_a_json_body_tells_can_be_stored(data: bytes) -> None:
    body = JsonBody()
    try:
        body.feed(data)
        told = list(body.finish())
    except errors.RequestRefused:
        return
    assert all(b"\0" not in one for one in told if isinstance(one, bytes))
