"""A request means the same in every encoding and however its bytes are cut; what is broken is refused."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from bodies import cut, npm_form, read, request, urlencoded
from clipwarden import errors
from clipwarden.settings import UploadSettings
from clipwarden_api.fields import Fields, flag

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
names = st.text(st.characters(categories=["L", "N"], include_characters="_-"), min_size=1, max_size=12)
singles = st.dictionaries(names.filter(lambda name: name != "file"), texts, max_size=6)
#: Files full of what looks like the ends of parts.
files = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"\r\n", b"--", b"\r\n--", b"\r\n--x7k2m9q", b"--x7k2m9", b"a", b"\r", b"\n", b"-"])).map(
        b"".join
    ),
).filter(lambda data: b"\r\n--x7k2m9q" not in data + b"\r\n")
cuts = st.lists(st.integers(0, 5000), max_size=12)
NPM = "multipart/form-data; boundary=x7k2m9q"


@given(fields=singles, data=files, places=cuts, before=st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]))
def test_a_form_of_the_npm_sdk_is_the_same_however_it_is_cut(
    fields: dict[str, str], data: bytes, places: list[int], before: bytes
) -> None:
    body = before + npm_form(list(fields.items()), data)
    for pieces in (cut(body, places), [body[i : i + 1] for i in range(len(body))]):
        found = read(request(pieces, NPM))
        assert found.told == (fields, (fields, "clip", "application/octet-stream", data))


@given(fields=singles, data=files, places=cuts)
def test_a_form_of_the_python_sdk_is_read_as_it_was_written(
    fields: dict[str, str], data: bytes, places: list[int]
) -> None:
    body, content_type = encode_multipart_formdata(
        [*fields.items(), ("public_ids[]", "a"), ("public_ids[]", "b"), ("file", ("/home/me/é clip.mp4", data))]
    )
    found = read(request(cut(body, places), content_type))
    expected = {**fields, "public_ids": ["a", "b"]}
    assert found.told == (expected, (expected, "é clip.mp4", "video/mp4", data))


@given(fields=singles, places=cuts)
def test_fields_are_the_same_in_every_encoding(fields: dict[str, str], places: list[int]) -> None:
    multipart, content_type = encode_multipart_formdata(list(fields.items()))
    form = "application/x-www-form-urlencoded"
    encoded = urlencode(fields).encode()
    for body, kind in (
        (multipart, content_type),
        (encoded, form),
        (urlencoded(list(fields.items())), form),
        (json.dumps(fields).encode(), "application/json; charset=utf-8"),
        (json.dumps(fields, ensure_ascii=False).encode(), "application/json"),
    ):
        assert read(request(cut(body, places), kind)).fields == fields
    assert read(request([], None, query=encoded)).fields == fields


@given(body=st.binary(max_size=200), places=cuts, kind=st.sampled_from(["application/x-www-form-urlencoded", NPM]))
def test_what_is_refused_or_read_does_not_depend_on_how_it_is_cut(body: bytes, places: list[int], kind: str) -> None:
    def outcome(pieces: list[bytes]) -> object:
        try:
            return read(request(pieces, kind)).told
        except errors.RequestRefused:
            return "refused"

    assert outcome([body]) == outcome(cut(body, places))


@given(data=st.binary(max_size=200), places=cuts, newlines=st.booleans())
def test_a_data_uri_is_a_file_in_every_encoding(data: bytes, places: list[int], newlines: bool) -> None:  # noqa: FBT001
    text = (base64.encodebytes(data) if newlines else base64.b64encode(data)).decode()
    uri = f"data:video/mp4;base64,{text}"
    multipart, content_type = encode_multipart_formdata([("public_id", "a"), ("file", uri)])
    for body, kind in (
        (multipart, content_type),
        (urlencode({"public_id": "a", "file": uri}).encode(), "application/x-www-form-urlencoded"),
        (json.dumps({"public_id": "a", "file": uri}).encode(), "application/json"),
    ):
        found = read(request(cut(body, places), kind))
        assert found.told == ({"public_id": "a"}, ({"public_id": "a"}, None, "video/mp4", data))


@pytest.mark.parametrize("url", ["https://example.com/a b.mp4?x=1&y=%20", "s3://bucket/key", "ftp://h/a", "database"])
def test_a_remote_file_is_an_ordinary_field(url: str) -> None:
    body, content_type = encode_multipart_formdata([("file", url)])
    assert read(request([body], content_type)).told == ({"file": url}, None)


def test_json_keeps_nulls_absent_texts_as_they_are_and_all_else_as_json() -> None:
    body = {
        "transformations": None,
        "invalidate": True,
        "public_ids": ["a/b", None, "c"],
        "max_results": 30,
        "sort_by": [{"created_at": "desc"}],
        "context": {"alt": "é"},
        "tags": "x,y",
        "none": [],
    }
    assert read(request([json.dumps(body).encode()], "application/json")).fields == {
        "invalidate": "true",
        "public_ids": ["a/b", "c"],
        "max_results": "30",
        "sort_by": ['{"created_at": "desc"}'],
        "context": '{"alt": "é"}',
        "tags": "x,y",
    }


def test_lists_are_joined_in_the_order_of_their_numbers() -> None:
    body = urlencoded([("public_ids[10]", "k"), ("public_ids[2]", "c"), ("public_ids[0]", "a"), ("tags[x]", "kept")])
    found = read(request([body], "application/x-www-form-urlencoded"))
    assert found.fields == {"public_ids": ["a", "c", "k"], "tags[x]": "kept"}


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", NPM, None])
def test_an_empty_body_of_any_type_has_no_fields(kind: str | None) -> None:
    assert read(request([], kind, query=b"max_results=5")).told == ({"max_results": "5"}, None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1", True), ("true", True), ("True", True), ("yes", True), ("0", False), ("false", False), ("", True)],
)
def test_booleans_are_read_as_the_sdks_write_them(written: str, expected: bool) -> None:  # noqa: FBT001
    assert flag({"overwrite": written}, "overwrite", default=True) is expected
    assert flag({}, "overwrite") is False


@pytest.mark.parametrize("written", ["2", "on", ["1"]])
def test_what_is_neither_true_nor_false_is_refused(written: str | list[str]) -> None:
    with pytest.raises(errors.RequestRefused, match="overwrite"):
        flag({"overwrite": written}, "overwrite")


def _part(name: str = "a", more: str = "", data: str = "1") -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{data}\r\n'


BROKEN = {
    "no boundary": ("multipart/form-data", "--b--"),
    "an empty boundary": ('multipart/form-data; boundary=""', "----"),
    "a boundary that is too long": (f"multipart/form-data; boundary={'b' * 71}", f"--{'b' * 71}--"),
    "another boundary": ("multipart/form-data; boundary=c", _part() + "--b--"),
    "a preamble": ("multipart/form-data; boundary=b", "hello\r\n" + _part() + "--b--"),
    "no last boundary": ("multipart/form-data; boundary=b", _part()),
    "an end in the headers": ("multipart/form-data; boundary=b", "--b\r\nContent-Disp"),
    "a part without a disposition": ("multipart/form-data; boundary=b", "--b\r\n\r\n1\r\n--b--"),
    "a part without a name": (
        "multipart/form-data; boundary=b",
        "--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--",
    ),
    "a part that is no field": (
        "multipart/form-data; boundary=b",
        '--b\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n--b--',
    ),
    "two dispositions": (
        "multipart/form-data; boundary=b",
        _part(more='\r\nContent-Disposition: form-data; name="z"') + "--b--",
    ),
    "a header that is too long": ("multipart/form-data; boundary=b", _part(name="a" * 9000) + "--b--"),
    "too many headers": (
        "multipart/form-data; boundary=b",
        _part(more="".join(f"\r\nX-{number}: 1" for number in range(20))) + "--b--",
    ),
    "two files": (
        "multipart/form-data; boundary=b",
        _part("file", '; filename="a"') + _part("file", '; filename="a"') + "--b--",
    ),
    "a file and a URL": (
        "multipart/form-data; boundary=b",
        _part("file", '; filename="a"') + _part("file", data="https://x") + "--b--",
    ),
    "a URL and a file": (
        "multipart/form-data; boundary=b",
        _part("file", data="https://x") + _part("file", '; filename="a"') + "--b--",
    ),
    "a data URI and a file": (
        "multipart/form-data; boundary=b",
        _part("file", data="data:;base64,AAAA") + _part("file", '; filename="a"') + "--b--",
    ),
    "a file of another name": ("multipart/form-data; boundary=b", _part("video", '; filename="a"') + "--b--"),
    "a name given twice": ("application/x-www-form-urlencoded", "a=1&a=2"),
    "a text and a list": ("application/x-www-form-urlencoded", "a=1&a[]=2"),
    "a list and a text": ("application/x-www-form-urlencoded", "a[]=1&a=2"),
    "a number given twice": ("application/x-www-form-urlencoded", "a[1]=1&a[01]=2"),
    "no name": ("application/x-www-form-urlencoded", "=1"),
    "a name that is too long": ("application/x-www-form-urlencoded", "a" * 5000 + "=1"),
    "a NUL": ("application/x-www-form-urlencoded", "a=%00"),
    "no UTF-8": ("application/x-www-form-urlencoded", "a=%FF"),
    "no JSON": ("application/json", "{"),
    "no JSON object": ("application/json", "[1]"),
    "a JSON name twice": ("application/json", '{"a":1,"a":2}'),
    "a JSON surrogate": ("application/json", '{"a":"\\ud800"}'),
    "JSON that is too deep": ("application/json", '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"),
    "a JSON number that is none": ("application/json", '{"a":NaN}'),
    "a JSON number that is infinite": ("application/json", '{"a":[1e999]}'),
    "a JSON number that is too long": ("application/json", '{"a":' + "1" * 10_000 + "}"),
    "a data URI without base64": ("application/x-www-form-urlencoded", "file=data:text/plain,hello"),
    "a data URI without a comma": ("application/x-www-form-urlencoded", "file=data:;base64"),
    "a data URI with a long head": ("application/x-www-form-urlencoded", "file=data:" + "a" * 2000 + ";base64,AAAA"),
    "a data URI that is not base64": ("application/x-www-form-urlencoded", "file=data:;base64,A*AA"),
    "a data URI whose plus became a space": ("application/x-www-form-urlencoded", "file=data:;base64,A+AA"),
    "a data URI that is cut": ("application/x-www-form-urlencoded", "file=data:;base64,AAAAA"),
    "a data URI that goes on": ("application/x-www-form-urlencoded", "file=data:;base64,AA==AAAA"),
    "another type": ("text/xml", "<a/>"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_request_is_refused_whole_or_in_bytes(case: str) -> None:
    kind, text = BROKEN[case]
    body = text.encode()
    ways = [[body]] if len(body) > 20_000 else [[body], [body[i : i + 1] for i in range(len(body))]]
    for pieces in ways:
        with pytest.raises(errors.RequestRefused):
            read(request(pieces, kind))


@pytest.mark.parametrize(
    ("first", "then"),
    [(b"", b"\r\n" * 500), (b"--b ", b" " * 1000), (_part().encode(), _part("x" * 200).encode())],
    ids=["newlines", "padding", "small parts"],
)
def test_a_body_that_never_comes_to_the_point_is_refused_long_before_its_end(first: bytes, then: bytes) -> None:
    asked = 0

    def endless() -> Iterator[bytes]:
        nonlocal asked
        yield first
        while asked < 1000:
            asked += 1
            yield then

    settings = UploadSettings(fields=100_000, fields_bytes=8192)
    with pytest.raises(errors.RequestRefused):
        read(request(endless(), "multipart/form-data; boundary=b"), settings)
    assert asked < 100


def test_what_comes_after_the_last_boundary_is_passed_over_but_not_for_ever() -> None:
    body = (_part() + "--b--").encode()
    kind, settings = "multipart/form-data; boundary=b", UploadSettings(fields_bytes=8192)
    assert read(request([body, b"\r\nepilogue", b"--b\r\n"], kind), settings).fields == {"a": "1"}
    with pytest.raises(errors.RequestRefused, match="8192 bytes"):
        read(request([body, *[b" " * 1000] * 10], kind), settings)


@pytest.mark.parametrize("kind", ["multipart", "urlencoded", "json", "list"])
def test_one_field_too_many_is_refused(kind: str) -> None:
    def body(count: int) -> tuple[bytes, str]:
        fields = [(f"f{number}", "1") for number in range(count)]
        if kind == "multipart":
            return encode_multipart_formdata(fields)
        if kind == "urlencoded":
            return urlencoded(fields), "application/x-www-form-urlencoded"
        members = dict(fields) if kind == "json" else {"ids": ["1"] * count}
        return json.dumps(members).encode(), "application/json"

    settings = UploadSettings(fields=20)
    for count in (20, 21):
        data, content_type = body(count)
        if count == 20:
            assert read(request([data], content_type), settings).fields
            continue
        with pytest.raises(errors.RequestRefused, match="too many"):
            read(request([data], content_type), settings)


@pytest.mark.parametrize("kind", ["multipart", "urlencoded", "json"])
def test_fields_larger_than_allowed_are_refused_and_a_file_is_not(kind: str) -> None:
    settings, text = UploadSettings(fields_bytes=8192), "x" * 10_000
    if kind == "multipart":
        body, content_type = encode_multipart_formdata({"a": text})
    elif kind == "urlencoded":
        body, content_type = urlencoded([("a", text)]), "application/x-www-form-urlencoded"
    else:
        body, content_type = json.dumps({"a": text}).encode(), "application/json"
    with pytest.raises(errors.RequestRefused, match="8192 bytes"):
        read(request(cut(body, range(0, 10_000, 500)), content_type), settings)
    found = read(request(cut(npm_form([], bytes(100_000)), range(0, 100_000, 999)), NPM), settings)
    assert found.file is not None
    assert len(found.file.data) == 100_000


def test_a_data_uri_has_a_limit_of_its_own() -> None:
    uri = "data:;base64," + base64.b64encode(bytes(3000)).decode()
    body, content_type = encode_multipart_formdata({"file": uri})
    found = read(request([body], content_type), UploadSettings(data_uri_bytes=4000))
    assert found.file is not None
    assert len(found.file.data) == 3000
    with pytest.raises(errors.MediaRefused, match="too large"):
        read(request([body], content_type), UploadSettings(data_uri_bytes=3999))


def test_what_is_announced_to_be_too_large_is_refused_before_it_comes() -> None:
    asked = request([], NPM, headers={"content-length": str(10 * 1024**2)})
    with pytest.raises(errors.MediaRefused, match=r"File size too large. Got \d+. Maximum is 1000."):
        read(asked, limit=1000)


def test_a_query_and_a_body_are_one_request() -> None:
    form = "application/x-www-form-urlencoded"
    assert read(request([b"b=2"], form, query=b"a=1")).fields == {"a": "1", "b": "2"}
    with pytest.raises(errors.RequestRefused, match="twice"):
        read(request([b"a=2"], form, query=b"a=1"))


@pytest.mark.parametrize("name", [r"C:\\clips\\a.mp4", "/etc/a.mp4", "../../a.mp4", "a\0\x1f.mp4"])
def test_a_files_name_has_no_folders_and_nothing_that_cannot_be_shown(name: str) -> None:
    body = (_part("file", f'; filename="{name}"') + "--b--").encode()
    found = read(request([body], "multipart/form-data; boundary=b"))
    assert found.file is not None
    assert found.file.filename == "a.mp4"


@given(st.lists(st.tuples(names, texts), max_size=20, unique_by=lambda pair: pair[0]))
def test_fields_return_what_was_added(pairs: list[tuple[str, str]]) -> None:
    fields = Fields(20)
    for name, value in pairs:
        assert name not in fields
        fields.add(name, value)
    assert fields.values() == dict(pairs)
