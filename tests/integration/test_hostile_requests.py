"""Whatever stands in a request, wherever it stands, is answered: with what was asked for or with a refusal."""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

from clipwarden.people import Role
from clipwarden.store import accounts
from clipwarden.store.engine import write
from clipwarden_api import app
from clipwarden_api.services import Services
from fixtures.console import Browser, judged, user
from fuzzing import tried

#: What is asked with a good key: a stranger's request is read no further than to find that out.
KEY, SECRET = "key", "secret"
#: Not asked: streams that do not end, the state of a Redis that is not there, and a password's slow hash.
LEFT_OUT = {"/console/events", "/readyz", "/console/sign-in", "/console/sign-out", "/console/welcome/{token}"}
SOMETIMES = tried(0.2, suppress=[HealthCheck.function_scoped_fixture])

#: Names that some call reads, so that what is given under them is looked at.
_NAMES = """
public_id public_ids public_ids[] asset_ids[] version_ids[] from_public_id to_public_id prefix expression tag key file
context moderation moderation_status moderation_kind event_type uri new_uri name tags next_cursor max_results direction
start_at timestamp signature api_key type resource_type folder notification_url settings unsigned command expires_at
attachment overwrite backup invalidate sort_by with_field fields aggregate date kind status account preset category
at_least at_most since before decided_by escalated error text cursor sort view claim seen verdict reason note labels
policy density page action actor subject event stage id token next source url limit after
"""
names = st.sampled_from(_NAMES.split()) | st.text(max_size=8)
#: Texts that databases, paths, numbers and dates stumble over, and any other.
values = st.sampled_from(
    [
        *(
            "",
            "\0",
            "a\0b",
            "%",
            "_",
            "'",
            "\\",
            "\n",
            "../..",
            "-1",
            "0",
            "9" * 12,
            "9" * 30,
            "1e400",
            "nan",
            "\u0663",
        ),
        *("0" * 32, "9999-12-31", "0001-01-01", "\u202e", "\ud800", "a" * 5000, "aws_rek_video", "true", "approved"),
        *("rejected", "manual", "data:;base64,AAAA", "[]", "{}", "a=b|c=d", "tags:x AND (", "created_at>1d", "human:x"),
    ]
) | st.text(st.characters(), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, before it is written down."""

    query: list[tuple[str, str]]
    form: list[tuple[str, str]]
    body: Any  #: As JSON, where it is not left out.
    variables: list[str]
    raw: bytes | None  #: In place of either.
    headers: dict[str, str]


pairs = st.lists(st.tuples(names, values), max_size=4)
headers = st.dictionaries(
    st.sampled_from(["range", "if-none-match", "content-range", "x-unique-upload-id", "cookie", "idempotency-key"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
    max_size=2,
)
asked = st.builds(
    Asked,
    query=pairs,
    form=pairs,
    body=st.none() | st.dictionaries(names, json_values, max_size=4),
    variables=st.lists(values, min_size=3, max_size=3),
    raw=st.none() | st.none() | st.binary(max_size=40),
    headers=headers,
)


def found(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the methods and paths of all routes."""
    for route in routes:
        if isinstance(route, Mount):
            yield from found(list(route.routes), prefix + route.path)
        elif isinstance(route, Route):
            for method in sorted(route.methods or ()):
                yield method, prefix + route.path


def routes(served: Services) -> list[tuple[str, str]]:
    return [one for one in found(list(app.build(served).routes)) if one[1] not in LEFT_OUT]


def octets(text: str) -> bytes:
    """Return a text as a program would send it that checks nothing."""
    return text.encode("utf-8", "surrogatepass")


def encoded(given: list[tuple[str, str]]) -> str:
    return urlencode([(octets(name), octets(value)) for name, value in given])


def path_of(template: str, variables: list[str], known: str) -> str:
    """Fill a path in: with our own account, sometimes what is there, and whatever else."""
    path = template.replace("{cloud}", "demo").replace("{resource_type}", "video").replace("{type}", "upload")
    filling = iter(variables)
    return re.sub(r"\{\w+(:path)?\}", lambda _: quote(octets(next(filling, known)), safe="") or known, path)


@pytest.fixture
def case(served: Services) -> str:
    """Return the id of a moderation of an account that has a key."""
    found = judged(served)
    with write(served.engine) as conn:
        accounts.ensure(conn, name="demo", api_key=KEY, api_secret=SECRET, now=served.clock.now())
    return found.id


@pytest.fixture
def admin(served: Services) -> Browser:
    user(served.engine, role=Role.ADMIN)
    browser = Browser(served)
    browser.sign_in()
    return browser


def sent(client: TestClient, method: str, path: str, asked: Asked, **fields: str) -> Any:
    """Send a request in the encoding that it was thought of in."""
    told = dict(asked.headers)
    if asked.raw is not None:
        content, told["content-type"] = asked.raw, "multipart/form-data; boundary=b"
    elif asked.body is not None and not fields:
        content, told["content-type"] = json.dumps(asked.body).encode(), "application/json"
    else:
        content = encoded([*asked.form, *fields.items()]).encode()
        told["content-type"] = "application/x-www-form-urlencoded"
    sends = method not in ("GET", "HEAD", "OPTIONS")
    return client.request(
        method,
        f"{path}?{encoded(asked.query)}",
        content=content if sends else None,
        headers=[
            (name.encode(), value.encode("latin-1")) for name, value in told.items() if sends or name != "content-type"
        ],
        follow_redirects=False,
    )


@pytest.fixture
def program(served: Services, case: str) -> TestClient:
    """Return a program that has a good key, which reads what there is."""
    client = TestClient(app.build(served), raise_server_exceptions=False)
    client.auth = (KEY, SECRET)
    assert client.get(f"/v1/moderations/{case}").status_code == 200
    return client


@SOMETIMES
@given(asked=asked, which=st.integers(0, 10**6))
def test_no_request_to_an_api_breaks_anything(
    served: Services, program: TestClient, case: str, asked: Asked, which: int
) -> None:
    every = [one for one in routes(served) if not one[1].startswith("/console")]
    method, template = every[which % len(every)]
    answer = sent(program, method, path_of(template, asked.variables, case), asked)
    assert answer.status_code < 500, (method, template, answer.text)


@SOMETIMES
@given(asked=asked, which=st.integers(0, 10**6), proven=st.booleans())
def test_no_request_to_the_console_breaks_anything(
    served: Services, admin: Browser, case: str, asked: Asked, which: int, *, proven: bool
) -> None:
    every = [one for one in routes(served) if one[1].startswith("/console")]
    method, template = every[which % len(every)]
    proof = {"csrf": admin.proof} if proven else {}
    answer = sent(admin.client, method, path_of(template, asked.variables, case), asked, **proof)
    assert answer.status_code < 500, (method, template, answer.text)


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/v1_1/demo/video/upload", "multipart/form-data; boundary=b", 400),
        ("/v1_1/demo/resources/search", "application/json", 400),
        ("/v1_1/demo/video/tags", "application/x-www-form-urlencoded", 400),
        ("/v1/moderations", "application/json", 415),
    ],
)
def test_no_compressed_body_is_ever_unpacked(program: TestClient, path: str, kind: str, status: int) -> None:
    small = gzip.compress(b'{"expression": "a", "padding": "' + bytes(20 * 1024**2) + b'"}')
    for encoding in ("gzip", "GZIP", "deflate", "gzip, identity"):
        answer = program.post(path, content=small, headers={"content-type": kind, "content-encoding": encoding})
        assert (answer.status_code, "compressed" in answer.text) == (status, True), answer.text
