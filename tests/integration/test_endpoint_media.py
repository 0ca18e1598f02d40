"""Videos by signed URL."""

import http.client
import time
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden.media.folder import FolderStore
from clipwarden.media.links import Links
from clipwarden.moderation import Location
from clipwarden_local.analysis.objects import FolderObjects
from clipwarden_local.analysis.scripted import ScriptedAnalyser
from clipwarden_local.endpoint import Endpoint
from clipwarden_local.endpoint.media import SignedMedia, span_of

CONTENT = bytes(range(256)) * 1000
VIDEO = Location(bucket="videos", key="a b/ü+%41.mp4")


class Served:
    """A store and the endpoint that serves it."""

    def __init__(self, store: FolderStore, endpoint: Endpoint) -> None:
        self.store = store
        self.host = endpoint.url.removeprefix("http://")

    def target(self, location: Location, *, expires: timedelta = timedelta(minutes=1)) -> str:
        url = urlsplit(self.store.url(location, expires=expires))
        return f"{url.path}?{url.query}"

    def get(self, target: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=10)
        connection.request(method, target, headers=headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, dict(response.headers), body


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    links = Links("http://127.0.0.1", b"secret")
    store = FolderStore(tmp_path / "media", links)
    store.put(VIDEO, BytesIO(CONTENT))
    objects = FolderObjects(tmp_path / "media")
    with Endpoint(
        data=tmp_path / "data",
        objects=objects,
        analyser=ScriptedAnalyser(objects),
        media=SignedMedia(store, links, time.time),
    ) as endpoint:
        yield Served(store, endpoint)


def test_a_signed_url_gives_the_bytes(served: Served) -> None:
    status, headers, body = served.get(served.target(VIDEO))
    assert (status, body) == (200, CONTENT)
    assert headers["Content-Type"] == "video/mp4"
    assert headers["Accept-Ranges"] == "bytes"
    status, headers, body = served.get(served.target(VIDEO), "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(CONTENT)), b"")


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-", 100, 256_000),
        ("bytes=-10", 255_990, 256_000),
        ("bytes=5-9999999", 5, 256_000),
    ],
)
def test_a_range_is_answered_in_part(served: Served, asked: str, start: int, end: int) -> None:
    status, headers, body = served.get(served.target(VIDEO), Range=asked)
    assert (status, body) == (206, CONTENT[start:end])
    assert headers["Content-Range"] == f"bytes {start}-{end - 1}/256000"


@pytest.mark.parametrize("asked", ["bytes=256000-", "bytes=-0", "bytes=5-4", "bytes=-", "bytes=0-1,5-6", "lines=1-2"])
def test_a_range_that_cannot_be_met_is_refused(served: Served, asked: str) -> None:
    status, headers, _ = served.get(served.target(VIDEO), Range=asked)
    assert (status, headers["Content-Range"]) == (416, "bytes */256000")


def test_an_unsigned_a_changed_and_an_old_url_give_nothing(served: Served) -> None:
    target = served.target(VIDEO)
    for wrong in (
        target.partition("?")[0],
        target[:-1] + ("0" if target[-1] != "0" else "1"),
        target.replace("/videos/", "/other/"),
        served.target(VIDEO, expires=timedelta(seconds=-1)),
    ):
        assert served.get(wrong)[0] == 403
    assert served.get(served.target(Location(bucket="videos", key="gone.mp4")))[0] == 404


def test_a_page_is_never_served_as_one(served: Served) -> None:
    page = Location(bucket="videos", key="page.html")
    served.store.put(page, BytesIO(b"<script>"))
    headers = served.get(served.target(page))[1]
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"


@given(st.text(max_size=30) | st.from_regex(r"bytes=\d{0,6}-\d{0,6}", fullmatch=True), st.integers(0, 10**6))
def test_a_span_lies_within_the_object(asked: str, size: int) -> None:
    span = span_of(asked, size)
    assert span is None or 0 <= span[0] < span[1] <= size
