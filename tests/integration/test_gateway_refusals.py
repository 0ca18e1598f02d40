"""Refusals reach whoever is refused, however they go on sending; and hostile requests are refused, not broken by."""

import base64
import http.client
import json
import socket
import time
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest
from cloudinary.exceptions import BadRequest
from cloudinary.utils import sign_request

from clipwarden_api import credentials, guarded
from fixtures.gateway import Gateway
from fixtures.pipeline import SECRET
from sdk import upload

# The SDK has no types.
signed: Any = sign_request

MIB = 1024**2
BASIC = base64.b64encode(f"key:{SECRET}".encode()).decode()


def converse(gateway: Gateway, head: bytes, body: bytes = b"", *, patience: float = 10) -> tuple[int, dict[str, Any]]:
    """Send all of a request before anything of its answer is read."""
    host, port = gateway.url.removeprefix("http://").split(":")
    answer = b""
    with closing(socket.create_connection((host, int(port)), timeout=patience)) as connection:
        try:
            connection.sendall(head + b"\r\n\r\n")
            connection.sendall(body)
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:
            # What is no HTTP at all, or without end, is not listened to until it ends.
            assert len(head) > 100_000 or b"HTTP/1.1" not in head
            return 400, {}
    top, _, content = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(content) if content.startswith(b"{") else {}


def upload_head(length: int | str, *more: str) -> bytes:
    lines = ["POST /v1_1/default/video/upload HTTP/1.1", "Host: x", "Content-Type: multipart/form-data; boundary=b"]
    return "\r\n".join([*lines, f"Content-Length: {length}", *more]).encode()


def form(fields: dict[str, Any], content: bytes = b"") -> bytes:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    return b"".join(parts) + file + content + b"\r\n--b--\r\n"


def test_a_signature_that_was_good_at_the_beginning_is_good_however_long_the_file_takes(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_fresh = credentials._require_fresh
    asked: list[str] = []

    def older(stamp: str, now: datetime) -> None:
        require_fresh(stamp, now + credentials.LIFETIME * timedelta(seconds=2) * len(asked))
        asked.append(stamp)

    monkeypatch.setattr(credentials, "_require_fresh", older)
    assert upload(gateway, "film")["public_id"] == "film"
    assert len(asked) == 1
    with pytest.raises(BadRequest, match="Stale request"):
        upload(gateway, "later")


def test_whoever_sends_on_still_gets_the_reason(gateway: Gateway) -> None:
    wrong = {"api_key": "key", "signature": "0" * 40, "timestamp": int(time.time())}
    body = form(wrong, bytes(12 * MIB))
    status, answer = converse(gateway, upload_head(len(body), "Connection: close"), body)
    assert status == 401
    assert "Invalid Signature" in answer["error"]["message"]


def test_whoever_never_ends_is_left(gateway: Gateway) -> None:
    wrong = {"api_key": "key", "signature": "0" * 40, "timestamp": int(time.time())}
    began = form(wrong, bytes(MIB))
    status, _ = converse(gateway, upload_head(10**9, "Connection: close"), began)
    assert status == 401


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (upload_head(10**12), 400),
        (upload_head("many"), 400),
        (upload_head(0), 400),
        (b"POST /v1_1/default/video/upload HTTP/1.1\r\nHost: x\r\nContent-Type: text/html\r\nContent-Length: 0", 400),
        (b"GET /v1_1/default/ping HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 200_000, 400),
        (b"GET /v1_1/default/ping HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + b"!" * 100, 401),
        (b"GET /v1_1/default/ping HTTP/1.1\r\nHost: x\r\nAuthorization: Basic AAAAOmE=", 401),
        (b"GET /v1_1/default/ping HTTP/1.1\r\nHost: x\r\nAuthorization: Basic /////w==", 401),
        (b"GET /v1_1/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x", 404),
        (b"GET /default/video/upload/..%2f..%2f..%2fetc/passwd HTTP/1.1\r\nHost: x", 404),
        (b"GET /default/video/upload/%00 HTTP/1.1\r\nHost: x", 404),
        (b"GET /default/video/upload/a%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: x", 404),
        (b"GET /media/clipwarden/..%2f..%2fclipwarden.db HTTP/1.1\r\nHost: x", 404),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
)
def test_what_cannot_be_is_refused(gateway: Gateway, head: bytes, expected: int) -> None:
    if b"Connection:" not in head and b"HTTP" in head:
        head += b"\r\nConnection: close"
    status, _ = converse(gateway, head)
    assert status == expected


@pytest.mark.parametrize(
    "public_id",
    ["../../etc/passwd", "a/../b", "/absolute", "a//b", "a\x00b", "a\nb", "a?b", "a#b", "%2e%2e", "x" * 300, "."],
)
def test_a_public_id_is_a_name_and_no_path(gateway: Gateway, public_id: str) -> None:
    cloud = {name: gateway.cloud[name] for name in ("api_key", "api_secret")}
    fields = signed({"public_id": public_id, "timestamp": int(time.time())}, cloud)
    body = form(fields, gateway.pipeline.clips("plain").read_bytes())
    status, answer = converse(gateway, upload_head(len(body), "Connection: close"), body)
    root = gateway.services.settings.media.root
    assert root is not None
    stored = [path for path in root.rglob("*") if path.is_file() and path.name != "lock"]
    # Whatever it is called, its bytes lie under a name of ours.
    assert all(path.relative_to(root).parts[:2] == ("clipwarden", "videos") for path in stored)
    assert (status, len(stored)) in {(400, 0), (200, 1)}, answer


def test_a_signature_is_of_these_parameters_alone(gateway: Gateway) -> None:
    cloud = {name: gateway.cloud[name] for name in ("api_key", "api_secret")}
    fields = signed({"public_id": "a", "timestamp": int(time.time())}, cloud)
    clip = gateway.pipeline.clips("plain").read_bytes()
    for changed in (
        fields | {"public_id": "b"},
        fields | {"tags": "x"},
        fields | {"public_id": "a&tags=x"},
        fields | {"timestamp": fields["timestamp"] + 1},
        {name: value for name, value in fields.items() if name != "timestamp"},
        fields | {"signature": fields["signature"].upper()},
        fields | {"signature": ""},
    ):
        body = form(changed, clip)
        assert converse(gateway, upload_head(len(body), "Connection: close"), body)[0] in (400, 401)


def test_a_connection_serves_large_requests_one_after_the_other(gateway: Gateway) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=30)) as connection:
        for _ in range(4):
            body = json.dumps({"expression": "a", "padding": "x" * 200_000})
            connection.request(
                "POST",
                "/v1_1/default/resources/search",
                body,
                {"Authorization": f"Basic {BASIC}", "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            assert (answer.status, json.load(answer)["total_count"]) == (200, 0)


def test_a_head_that_never_ends_is_not_waited_for(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "PATIENCE", 0.3)
    host, port = gateway.url.removeprefix("http://").split(":")
    for sent in (b"", b"GET / HTTP/1.1\r\nX-A: b\r\n"):
        with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
            connection.sendall(sent)
            assert connection.recv(1000) == b""
