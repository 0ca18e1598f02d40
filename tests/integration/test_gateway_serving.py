"""What viewers and reviewers are given under an asset's URLs."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from email.message import Message
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import cloudinary.utils
import pytest
import sqlalchemy as sa

from clipwarden.moderation import Location
from clipwarden.store import schema
from clipwarden.store.engine import write
from fixtures.gateway import Gateway, serving_gateway
from sdk import VIDEO, shown, upload
from waiting import eventually

# The SDK has no types.
utils: Any = cloudinary.utils


def fetch(url: str, **headers: str) -> tuple[int, Message, bytes]:
    """Follow redirects."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def here(gateway: Gateway, url: str) -> str:
    parts = urlsplit(url)
    return f"{gateway.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def preview(gateway: Gateway, public_id: str, **options: Any) -> str:
    return str(utils.private_download_url(public_id, "mp4", **VIDEO, **gateway.cloud | options))


@pytest.fixture
def content(gateway: Gateway) -> bytes:
    return bytes(gateway.pipeline.clips("plain").read_bytes())


@pytest.fixture
def redirecting(gateway: Gateway) -> Iterator[str]:
    """Serve a second gateway that sends viewers to the media store, whose URLs lead to the first one."""
    settings = gateway.services.settings
    media = settings.media.model_copy(update={"public_url": gateway.url})
    api = settings.api.model_copy(update={"redirect_for": 60})
    with serving_gateway(settings.model_copy(update={"api": api, "media": media})) as (url, _):
        yield url


def test_a_player_gets_the_part_it_asks_for(gateway: Gateway, content: bytes) -> None:
    url = here(gateway, upload(gateway, "seen")["secure_url"])
    status, headers, body = fetch(url, Range="bytes=10-19")
    assert (status, body) == (206, content[10:20])
    assert headers["Content-Range"] == f"bytes 10-19/{len(content)}"
    assert headers["Content-Type"] == "video/mp4"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert fetch(url, Range=f"bytes={len(content)}-")[0] == 416
    whole, headers, body = fetch(url)
    assert (whole, body, headers["Accept-Ranges"]) == (200, content, "bytes")
    assert fetch(url, **{"If-None-Match": headers["ETag"]})[0] == 304


def test_a_pending_video_is_not_delivered_where_its_account_hides_it(gateway: Gateway) -> None:
    url = here(gateway, upload(gateway, "waits", moderation="manual")["secure_url"])
    assert fetch(url)[0] == 200
    with write(gateway.services.engine) as conn:
        conn.execute(sa.update(schema.accounts).values(pending_delivered=False))
    assert fetch(url)[0] == 404


def test_viewers_can_be_sent_to_the_media_store(gateway: Gateway, redirecting: str, content: bytes) -> None:
    path = urlsplit(upload(gateway, "seen")["secure_url"]).path
    connection = http.client.HTTPConnection(urlsplit(redirecting).netloc, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Cache-Control")) == (302, "private, no-store")
    connection.close()
    status, headers, body = fetch(redirecting + path, Range="bytes=10-19")
    assert (status, body, headers["Content-Type"]) == (206, content[10:20], "video/mp4")


def test_a_url_of_the_media_store_is_good_for_nothing_else(gateway: Gateway) -> None:
    media, bucket = gateway.services.media, gateway.services.settings.media.bucket
    page = Location(bucket=bucket, key="videos/page")
    media.put(page, BytesIO(b"<script>"))
    url = here(gateway, media.url(page, expires=timedelta(minutes=1), media_type="text/html", download_name="ä.html"))
    status, headers, body = fetch(url)
    assert (status, body) == (200, b"<script>")
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A4.html"
    changed = url[:-1] + ("0" if url[-1] != "0" else "1")
    old = here(gateway, media.url(page, expires=timedelta(seconds=-1)))
    for wrong in (url.partition("?")[0], changed, url.replace("page", "other"), old):
        assert fetch(wrong)[0] == 404


def test_only_the_signed_url_shows_what_was_rejected(gateway: Gateway, content: bytes) -> None:
    answer = upload(gateway, "bad", moderation="manual")
    from_sdk: Any = cloudinary.api
    from_sdk.update("bad", moderation_status="rejected", **VIDEO, **gateway.cloud)
    eventually(lambda: shown(gateway, "bad")["placeholder"])
    eventually(lambda: fetch(here(gateway, answer["secure_url"]))[0] == 404)

    def quarantined() -> bool:
        with gateway.services.engine.connect() as conn:
            return bool(conn.exec_driver_sql("SELECT placed FROM assets").scalar_one() == "quarantine")

    eventually(quarantined, within=10)
    status, headers, body = fetch(preview(gateway, "bad"), Range="bytes=0-99")
    assert (status, body, headers["Content-Type"]) == (206, content[:100], "video/mp4")
    assert "attachment" in fetch(preview(gateway, "bad", attachment=True))[1]["Content-Disposition"]


def test_a_preview_is_for_whom_it_was_signed_and_not_for_ever(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    upload(gateway, "pending", moderation="manual")
    good = preview(gateway, "pending")
    assert fetch(good)[0] == 200
    now = int(gateway.services.clock.now().timestamp())
    assert fetch(preview(gateway, "pending", expires_at=now + 9))[0] == 200
    assert fetch(preview(gateway, "pending", expires_at=now - 9))[0] == 401
    assert fetch(good.replace("public_id=pending", "public_id=other"))[0] == 401
    assert fetch(good.partition("?")[0] + "?public_id=pending")[0] == 401
    assert fetch(preview(gateway, "gone"))[0] == 404
    assert fetch(str(utils.private_download_url("pending", "mp4", **VIDEO, **neighbour)))[0] == 404
