"""Files come in parts, straight to the media store, and are then as if the gateway had received them."""

import hashlib
import http.client
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import sqlalchemy as sa

from clipwarden.media.store import LEAST_PART
from clipwarden.settings import MediaSettings
from clipwarden.store import schema, uploads
from clipwarden.store.engine import read, write
from clipwarden_api import ending, uploading
from fixtures.clips import Clips, padded
from fixtures.gateway import Gateway, serving_gateway
from json_api import JsonApi, Reply
from waiting import eventually

UPLOADS = "/v1/uploads"
MIB = 1024**2
#: Two whole parts and a rest.
SIZE = 2 * LEAST_PART + MIB

Put = Callable[[str, bytes], Reply]


@pytest.fixture(scope="session")
def large(clips: Clips) -> bytes:
    """Return a video of 11 MiB: most of it is a box that players pass over."""
    content = clips("plain").read_bytes()
    filling = random.Random(2).randbytes(SIZE - len(content) - 8)
    return padded(content, filling)


def asked(**options: Any) -> dict[str, Any]:
    return {"filename": "large.mp4", "bytes": SIZE, "part_bytes": LEAST_PART, **options}


def put(url: str, data: bytes, method: str = "PUT", **headers: str) -> Reply:
    """Send to a URL as a browser does, wherever it says that it leads."""
    there = urlsplit(url)
    connection = http.client.HTTPConnection(there.netloc, timeout=30)
    with closing(connection):
        connection.request(method, f"{there.path}?{there.query}", data, headers)
        answer = connection.getresponse()
        return Reply(status=answer.status, headers=answer.headers, data=answer.read())


def led(gateway: Gateway, url: str) -> str:
    """Return the URL as it leads to this gateway, whose port nobody knew before."""
    return gateway.url + url.removeprefix(gateway.services.public_url)


def send(gateway: Gateway, made: dict[str, Any], content: bytes, *numbers: int) -> list[dict[str, Any]]:
    """Send the missing parts, or some of them, and return how they were taken."""
    sent = []
    for part in made["missing"]:
        if numbers and part["number"] not in numbers:
            continue
        start = (part["number"] - 1) * made["part_bytes"]
        taken = put(led(gateway, part["url"]), content[start : start + part["bytes"]])
        assert taken.status == 200, taken.data
        sent.append({"number": part["number"], "etag": taken.headers["ETag"]})
    return sent


def begun(gateway: Gateway, content: bytes, *numbers: int, **options: Any) -> dict[str, Any]:
    made = JsonApi(url=gateway.url).post(UPLOADS, asked(**options))
    assert made.status == 201, made.data
    send(gateway, made.json, content, *numbers)
    return dict(made.json)


def rows(gateway: Gateway, table: sa.Table = schema.uploads) -> int:
    with read(gateway.services.engine) as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def kept(gateway: Gateway) -> list[Path]:
    """Return the files that hold a part, or an asset."""
    root = gateway.services.settings.media.root
    assert root is not None
    return [path for path in root.rglob("*") if path.is_file() and path.stat().st_size >= MIB]


def expire(gateway: Gateway) -> None:
    with write(gateway.services.engine) as conn:
        past = gateway.services.clock.now() - timedelta(seconds=1)
        conn.execute(sa.update(schema.uploads).values(expires_at=past))


def test_a_file_comes_in_parts_and_becomes_an_asset_that_is_moderated(
    gateway: Gateway, api: JsonApi, large: bytes
) -> None:
    options = {
        "public_id": "in/large",
        "moderation": "aws_rek_video:alcohol:0.9",
        "tags": ["a", "b"],
        "context": {"x=y": "1|2"},
        "notification_urls": [gateway.pipeline.receiver.url],
        "content_type": "video/mp4",
    }
    made = api.post(UPLOADS, asked(**options))
    assert (made.status, made.json["status"], made.json["part_count"]) == (201, "open", 3)
    assert [part["bytes"] for part in made.json["missing"]] == [LEAST_PART, LEAST_PART, MIB]
    parts = send(gateway, made.json, large)
    assert rows(gateway, schema.assets) == 0
    done = api.post(f"{UPLOADS}/{made.json['id']}/complete", {"parts": parts})
    assert (done.status, done.json["status"], done.json["missing"]) == (200, "completed", [])
    assert (done.json["asset"]["public_id"], done.json["moderations"][0]["status"]) == ("in/large", "pending")
    with read(gateway.services.engine) as conn:
        asset = conn.execute(sa.select(schema.assets)).mappings().one()
    assert (asset["bytes"], asset["tags"], asset["context"]) == (SIZE, ["a", "b"], {"x=y": "1|2"})
    assert asset["original_filename"] == "large"
    assert [hashlib.sha256(path.read_bytes()).digest() for path in kept(gateway)] == [hashlib.sha256(large).digest()]
    decided = gateway.pipeline.decided(done.json["moderations"][0]["id"])
    assert decided.status in {"approved", "rejected"}
    again = api.post(f"{UPLOADS}/{made.json['id']}/complete")
    assert again.json["asset"] == done.json["asset"] == api.get(f"{UPLOADS}/{made.json['id']}").json["asset"]
    assert rows(gateway, schema.assets) == rows(gateway, schema.moderations) == 1


def test_an_upload_that_was_interrupted_is_gone_on_with(gateway: Gateway, api: JsonApi, large: bytes) -> None:
    path = f"{UPLOADS}/{begun(gateway, large, 2)['id']}"
    first = api.get(f"{path}?limit=1")
    assert (first.json["received_bytes"], [part["number"] for part in first.json["missing"]]) == (LEAST_PART, [1])
    assert first.headers["Link"].startswith(f"<{path}?")
    last = api.get(f"{path}?limit=1&cursor={first.json['next']}")
    assert ([part["number"] for part in last.json["missing"]], last.json["next"]) == ([3], None)
    refused = api.post(f"{path}/complete")
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    assert "1, 3 of 3 are missing" in refused.json["detail"]
    send(gateway, first.json, large)
    send(gateway, last.json, large)
    wrong = api.post(f"{path}/complete", {"parts": [{"number": 2, "etag": "other"}]})
    assert (wrong.status, wrong.json["code"]) == (409, "conflict")
    assert api.get(path).json["received_bytes"] == SIZE
    assert api.post(f"{path}/complete").json["status"] == "completed"
    assert api.send("DELETE", path, None).json["code"] == "conflict"


def test_urls_are_good_for_what_they_were_signed_for_and_nothing_else(
    gateway: Gateway, api: JsonApi, large: bytes
) -> None:
    made, other = begun(gateway, b"", 9), begun(gateway, b"", 9)
    first, last = (led(gateway, made["missing"][place]["url"]) for place in (0, 2))
    fields = dict(parse_qsl(urlsplit(last).query))
    base, elsewhere = (led(gateway, one["missing"][2]["url"]).partition("?")[0] for one in (made, other))
    for name, value in fields.items():
        changed = urlencode(fields | {name: f"{value}0"})
        assert put(f"{base}?{changed}", large[:MIB]).status == 404, name
    assert put(f"{elsewhere}?{urlencode(fields)}", large[:MIB]).status == 404
    assert put(last, large[: MIB - 1]).status == put(last, large[: MIB + 1]).status == 400
    assert put(last, b"", method="GET").status == 404
    assert put(first, large[:MIB]).status == 400
    allowed = put(last, b"", method="OPTIONS")
    assert (allowed.status, allowed.headers["Access-Control-Allow-Methods"]) == (200, "PUT")
    assert api.get(f"{UPLOADS}/{made['id']}").json["received_bytes"] == 0
    assert put(last, large[:MIB]).headers["Access-Control-Expose-Headers"] == "ETag"
    assert api.send("DELETE", f"{UPLOADS}/{made['id']}", None).json["status"] == "discarded"
    assert put(last, large[:MIB]).status == 404
    assert kept(gateway) == []


def test_another_accounts_upload_is_not_there(
    gateway: Gateway, api: JsonApi, neighbour: dict[str, Any], large: bytes
) -> None:
    path = f"{UPLOADS}/{begun(gateway, large)['id']}"
    stranger = JsonApi(url=gateway.url, key=neighbour["api_key"], secret=neighbour["api_secret"])
    for refused in (stranger.get(path), stranger.post(f"{path}/complete"), stranger.send("DELETE", path, None)):
        assert (refused.status, refused.json["detail"]) == (404, "there is no such upload, or it has expired")
    assert api.post(f"{path}/complete").json["status"] == "completed"


def test_what_would_be_refused_once_it_had_come_is_refused_before(gateway: Gateway, api: JsonApi) -> None:
    for options, status, pointers in (
        ({"bytes": 0}, 422, ["/bytes"]),
        ({"bytes": 11 * 1024**3}, 422, ["/bytes"]),
        ({"part_bytes": 1}, 422, ["/part_bytes"]),
        ({"moderation": "aws_rek_video:alcohl:0.5"}, 422, ["/moderation"]),
        ({"preset": "none"}, 422, ["/preset"]),
        ({"content_type": "text/html"}, 422, ["/content_type"]),
        ({"tags": ["a,b"]}, 422, ["/tags/0"]),
        ({"public_id": "?"}, 400, []),
        ({"timestamp": 1}, 422, ["/timestamp"]),
    ):
        refused = api.post(UPLOADS, asked(**options))
        assert refused.status == status, refused.data
        assert [fault["pointer"] for fault in refused.json.get("errors", [])] == pointers
    assert rows(gateway) == 0


def test_what_is_no_video_leaves_nothing(gateway: Gateway, api: JsonApi) -> None:
    path = f"{UPLOADS}/{begun(gateway, bytes(SIZE))['id']}"
    refused = api.post(f"{path}/complete")
    assert (refused.status, refused.json["code"]) == (400, "media_refused")
    assert api.post(f"{path}/complete").status == 404
    assert (rows(gateway), kept(gateway)) == (0, [])


def test_an_upload_that_expired_is_not_there_and_goes_by_itself(gateway: Gateway, api: JsonApi, large: bytes) -> None:
    path = f"{UPLOADS}/{begun(gateway, large)['id']}"
    expire(gateway)
    assert api.get(path).status == api.post(f"{path}/complete").status == api.send("DELETE", path, None).status == 404
    assert len(kept(gateway)) == 3
    with serving_gateway(gateway.services.settings):
        eventually(lambda: (rows(gateway), kept(gateway)) == (0, []))


def test_whoever_completes_at_the_same_time_gets_the_same_asset(gateway: Gateway, api: JsonApi, large: bytes) -> None:
    path = f"{UPLOADS}/{begun(gateway, large, overwrite=False, public_id='once', moderation='manual')['id']}"
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: api.post(f"{path}/complete"), range(4)))
    assert {one.status for one in done} == {200}
    assert {one.json["asset"]["asset_id"] for one in done} == {done[0].json["asset"]["asset_id"]}
    assert rows(gateway, schema.assets) == rows(gateway, schema.moderations) == len(kept(gateway)) == 1


def test_an_upload_that_died_on_its_way_is_completed_by_asking_again(
    gateway: Gateway, api: JsonApi, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{UPLOADS}/{begun(gateway, large)['id']}"
    for owner, place in ((uploads, "seal"), (type(gateway.services.media), "complete"), (uploading, "_accept")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, place, lambda *_, **__: 1 / 0)
            assert api.post(f"{path}/complete").status == 500
        shown = api.get(path).json
        assert (shown["status"], shown["received_bytes"], shown["missing"]) == ("open", SIZE, [])
    done = api.post(f"{path}/complete")
    assert (done.status, done.json["asset"]["version"] > 0) == (200, True)
    assert [path.read_bytes() == large for path in kept(gateway)] == [True]


def test_a_part_that_is_sent_again_while_its_upload_is_completed_is_told(
    gateway: Gateway, api: JsonApi, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = begun(gateway, large)
    media = type(gateway.services.media)
    complete = media.complete

    def changed(self: Any, *given: Any) -> Any:
        send(gateway, made, bytes(SIZE), 3)
        return complete(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(media, "complete", changed)
        refused = api.post(f"{UPLOADS}/{made['id']}/complete")
    assert (refused.status, refused.json["code"]) == (409, "media_changed")
    send(gateway, made, large, 3)
    assert api.post(f"{UPLOADS}/{made['id']}/complete").status == 200
    assert [path.read_bytes() == large for path in kept(gateway)] == [True]


def test_bytes_that_are_not_wanted_go_although_somebody_died_before_they_did(
    gateway: Gateway, api: JsonApi, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = api.post(f"{UPLOADS}/{begun(gateway, large, public_id='large')['id']}/complete").json["asset"]
    path = f"{UPLOADS}/{begun(gateway, large, public_id='large', overwrite=False)['id']}"
    with monkeypatch.context() as patched:
        patched.setattr(type(gateway.services.media), "delete", lambda *_: 1 / 0)
        assert api.post(f"{path}/complete").status == 500
    assert api.post(f"{path}/complete").json["asset"] == first
    assert len(kept(gateway)) == 2
    expire(gateway)
    ending.sweep(gateway.services)
    assert (rows(gateway), len(kept(gateway))) == (0, 1)


@pytest.fixture
def s3_gateway(gateway: Gateway, s3_settings: MediaSettings) -> Iterator[Gateway]:
    """Serve a gateway over the same database, and S3."""
    settings = gateway.services.settings.model_copy(update={"media": s3_settings})
    with serving_gateway(settings) as (url, services):
        yield Gateway(url=url, services=services, pipeline=gateway.pipeline, cloud=gateway.cloud)


def test_parts_go_straight_to_s3(s3_gateway: Gateway, large: bytes) -> None:
    api = JsonApi(url=s3_gateway.url)
    made = api.post(UPLOADS, asked(moderation="manual", public_id="large")).json
    path = f"{UPLOADS}/{made['id']}"
    with read(s3_gateway.services.engine) as conn:
        row = conn.execute(sa.select(schema.uploads)).mappings().one()
    for part in made["missing"]:
        assert part["url"].startswith(f"{s3_gateway.services.settings.media.endpoint_url}/{row['bucket']}/videos/")
        start = (part["number"] - 1) * LEAST_PART
        assert put(part["url"], large[start : start + part["bytes"]]).status == 200
    done = [api.post(f"{path}/complete") for _ in range(2)]
    assert done[0].json["asset"] == done[1].json["asset"]
    assert done[0].json["moderations"][0]["status"] == "pending"
    with read(s3_gateway.services.engine) as conn:
        asset = conn.execute(sa.select(schema.assets)).mappings().one()
    assert (asset["bytes"], asset["key"]) == (SIZE, row["key"])


def test_what_is_larger_than_announced_is_refused_where_the_store_has_let_it_in(
    s3_gateway: Gateway, large: bytes
) -> None:
    api = JsonApi(url=s3_gateway.url)
    made = api.post(UPLOADS, asked(bytes=MIB)).json
    url, path = made["missing"][0]["url"], f"{UPLOADS}/{made['id']}"
    assert put(url, large[: MIB - 1]).status == 200
    assert api.post(f"{path}/complete").json["code"] == "conflict"
    assert put(url, large[: MIB + 1]).status == 200
    assert api.get(path).json["received_bytes"] == 0
    refused = api.post(f"{path}/complete")
    assert (refused.status, refused.json["code"]) == (400, "media_refused")
    assert rows(s3_gateway) == 0
    assert put(url, large[:MIB]).status == 404


def test_an_upload_of_s3_that_died_before_its_asset_is_completed_by_asking_again(
    s3_gateway: Gateway, large: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = JsonApi(url=s3_gateway.url)
    made = api.post(UPLOADS, asked(part_bytes=64 * MIB)).json
    assert put(made["missing"][0]["url"], large).status == 200
    with monkeypatch.context() as patched:
        patched.setattr(uploading, "_accept", lambda *_: 1 / 0)
        assert api.post(f"{UPLOADS}/{made['id']}/complete").status == 500
    done = api.post(f"{UPLOADS}/{made['id']}/complete")
    assert (done.status, done.json["asset"]["version"] > 0) == (200, True)
