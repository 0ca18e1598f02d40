"""Guarded egress against servers that answer well, badly, slowly and never."""

import contextlib
import io
import ipaddress
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpcore
import pytest

from clipwarden.egress import Egress, Pace
from clipwarden.egress import client as egress_client
from clipwarden.egress.client import LONGEST_ANSWER
from clipwarden.errors import (
    ClipwardenError,
    DeliveryFailed,
    DestinationRefused,
    MediaNotFound,
    MediaRefused,
    MediaUnavailable,
    SourceRefused,
)
from servers import RawServer, read_request
from waiting import eventually

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Seen: yes\r\n\r\nok"

#: Far longer than a deadline that holds, far shorter than a server that would be waited for to its end.
PATIENCE = 20.0

Serve = Callable[[socket.socket], None]


@pytest.fixture
def egress() -> Iterator[Egress]:
    client = build()
    yield client
    client.close()


def build(total: float = 5.0, pace: Pace | None = None) -> Egress:
    return Egress(LOOPBACK, connect_timeout=2.0, total_timeout=total, resolver=lambda _, __: ["127.0.0.1"], pace=pace)


def answering(answer: bytes) -> Serve:
    """Answer every request of a connection so."""

    def serve(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(answer)

    return serve


def once(answer: bytes) -> Serve:
    """Answer one request and hang up."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)

    return serve


def dripping(start: bytes, drop: bytes = b"x") -> Serve:
    """Begin an answer, then send a drop now and then until the caller hangs up."""

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start)
        while True:
            connection.sendall(drop)
            time.sleep(0.05)  # The pace of the drip; nothing is waited for.

    return serve


def endless(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def post(client: Egress, url: str) -> int:
    return client.post(url, headers={"X-Test": "1"}, body=b"{}").status


def test_an_answer_is_returned_with_its_headers_body_and_time(egress: Egress) -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(OK)

    with RawServer(serve) as server:
        answer = egress.post(f"http://receiver.example:{server.port}/a?b=c", headers={"X-Test": "1"}, body=b'{"a":1}')
    assert (answer.status, answer.body, answer.headers["x-seen"]) == (200, b"ok", "yes")
    assert 0 < answer.seconds < 5
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /a?b=c HTTP/1.1"
    assert {b"Host: receiver.example:%d" % server.port, b"X-Test: 1", b"Content-Length: 7"} < set(lines)
    assert body == b'{"a":1}'


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 404, 410, 500, 503])
def test_any_status_is_returned_and_a_redirect_is_not_followed(egress: Egress, status: int) -> None:
    with RawServer(answering(OK)) as target:
        answer = f"HTTP/1.1 {status} Here\r\nLocation: {target.url}\r\nContent-Length: 0\r\n\r\n".encode()
        with RawServer(answering(answer)) as server:
            assert post(egress, server.url) == status
        assert target.accepted == 0


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(answering(OK)) as proxy, RawServer(answering(OK)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        with contextlib.closing(build()) as client:
            assert post(client, server.url) == 200
        assert (proxy.accepted, server.accepted) == (0, 1)


def test_one_connection_serves_many_requests(egress: Egress) -> None:
    with RawServer(answering(OK)) as server:
        assert [post(egress, server.url) for _ in range(20)] == [200] * 20
        assert server.accepted == 1


def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_again(egress: Egress) -> None:
    with RawServer(once(OK)) as server:
        assert post(egress, server.url) == 200
        eventually(lambda: server.serving == 0)
        assert post(egress, server.url) == 200
        assert server.accepted == 2


def test_a_connection_that_a_thread_uses_is_not_closed_by_another_as_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_client, "_KEPT", 0.5)
    handle, close = httpcore.HTTPConnection.handle_request, httpcore.HTTPConnection.close
    chosen, meanwhile, asked, go_on = (threading.Event() for _ in range(4))

    def late(self: httpcore.HTTPConnection, request: httpcore.Request) -> httpcore.Response:
        if threading.current_thread().name.startswith("late"):
            chosen.set()
            meanwhile.wait(PATIENCE)
        return handle(self, request)

    def close_when_it_is_used(self: httpcore.HTTPConnection) -> None:
        meanwhile.set()
        asked.wait(PATIENCE)
        close(self)

    def serve(connection: socket.socket) -> None:
        while request := read_request(connection):
            if b"/late" in request:
                asked.set()
                go_on.wait(PATIENCE)
            connection.sendall(OK)

    with RawServer(serve) as server, contextlib.closing(build()) as client:
        post(client, server.url)
        old = time.monotonic() + 0.6
        monkeypatch.setattr(httpcore.HTTPConnection, "handle_request", late)
        monkeypatch.setattr(httpcore.HTTPConnection, "close", close_when_it_is_used)
        with ThreadPoolExecutor(1, thread_name_prefix="late") as threads:
            slow = threads.submit(post, client, f"http://127.0.0.1:{server.port}/late")
            assert chosen.wait(PATIENCE)
            eventually(lambda: time.monotonic() > old)
            assert post(client, server.url) == 200
            meanwhile.set()
            go_on.set()
            assert slow.result(PATIENCE) == 200


def test_many_idle_connections_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_client, "_KEPT_CONNECTIONS", 2)
    with contextlib.ExitStack() as running:
        servers = [running.enter_context(RawServer(answering(OK))) for _ in range(5)]
        client = running.enter_context(contextlib.closing(build()))
        for server in servers:
            post(client, server.url)
        eventually(lambda: [server.serving for server in servers] == [0, 0, 0, 1, 1])
        client.close()
        eventually(lambda: not any(server.serving for server in servers))


def test_threads_share_a_client_and_each_has_its_own_deadline() -> None:
    client = build(total=1.0)
    with RawServer(answering(OK)) as good, RawServer(dripping(b"HTTP/1.1 200 OK\r\nX: ")) as bad:
        with ThreadPoolExecutor(8) as threads:
            hanging = threads.submit(post, client, bad.url)
            done = list(threads.map(lambda _: post(client, good.url), range(100)))
            assert isinstance(hanging.exception(PATIENCE), DeliveryFailed)
        assert done == [200] * 100
        assert good.accepted <= 8
    client.close()


@pytest.mark.parametrize(
    ("start", "status"),
    [
        pytest.param(b"", None, id="status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", None, id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", 200, id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", 200, id="chunk extension"),
    ],
)
def test_a_server_that_drips_is_cut_at_the_deadline(start: bytes, status: int | None) -> None:
    client = build(total=0.5)
    began = time.monotonic()
    with RawServer(dripping(start)) as server, pytest.raises(DeliveryFailed, match=r"within 0\.5 s") as failed:
        post(client, server.url)
    assert failed.value.status == status
    assert time.monotonic() - began < PATIENCE


def test_a_server_that_drips_interim_answers_is_cut_at_the_deadline() -> None:
    with (
        RawServer(dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n")) as server,
        pytest.raises(DeliveryFailed, match="within"),
    ):
        post(build(total=0.5), server.url)


def test_a_server_that_never_answers_is_cut_at_the_deadline() -> None:
    def silent(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with RawServer(silent) as server, pytest.raises(DeliveryFailed, match=r"no complete answer within 0\.5 s"):
        post(build(total=0.5), server.url)


def test_a_server_that_does_not_read_is_cut_at_the_deadline() -> None:
    closing = threading.Event()

    def deaf(_: socket.socket) -> None:
        closing.wait()

    with RawServer(deaf) as server:
        with pytest.raises(DeliveryFailed, match="within"):
            build(total=0.5).post(server.url, headers={}, body=b"x" * 50_000_000)
        closing.set()


def test_a_name_that_is_never_resolved_is_cut_at_the_connect_timeout() -> None:
    asked = threading.Event()

    def resolver(_: str, __: int) -> list[str]:
        asked.wait()
        return ["127.0.0.1"]

    client = Egress(LOOPBACK, connect_timeout=0.2, total_timeout=5, resolver=resolver)
    with pytest.raises(DeliveryFailed, match=r"no connection within 0\.2 s"):
        post(client, "http://receiver.example/")
    asked.set()


def test_a_body_without_end_is_read_up_to_its_cap(egress: Egress) -> None:
    with RawServer(endless) as server:
        answer = egress.post(server.url, headers={}, body=b"")
    assert answer.body == b"x" * LONGEST_ANSWER


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", id="half a body"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, id="a head without end"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="broken chunks"),
    ],
)
def test_an_answer_that_is_broken_is_a_failed_delivery(egress: Egress, answer: bytes) -> None:
    with RawServer(once(answer)) as server, pytest.raises(DeliveryFailed, match="broke"):
        post(egress, server.url)


def test_a_reset_connection_is_a_failed_delivery_and_the_next_one_succeeds(egress: Egress) -> None:
    resets = iter([True, False])

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        if next(resets):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        connection.sendall(OK)

    with RawServer(serve) as server:
        with pytest.raises(DeliveryFailed, match="reset") as failed:
            egress.post(f"{server.url}?token=s3cret", headers={}, body=b"")
        assert "s3cret" not in str(failed.value)
        assert failed.value.status is None
        assert post(egress, server.url) == 200


def test_a_closed_port_is_a_failed_delivery(egress: Egress) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(DeliveryFailed, match="cannot connect: Connection refused"):
        post(egress, f"http://127.0.0.1:{port}/")


def test_loopback_is_refused_unless_it_is_allowed() -> None:
    client = Egress((), connect_timeout=1, total_timeout=1)
    with RawServer(answering(OK)) as server:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(DestinationRefused):
                post(client, f"http://{host}:{server.port}/")
        assert server.accepted == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate for receiver.example, with its key in one file."""
    folder = tmp_path_factory.mktemp("tls")
    subject = ["-subj", "/CN=receiver.example", "-addext", "subjectAltName=DNS:receiver.example"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def encrypted(certificate: Path) -> Iterator[RawServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with RawServer(answering(OK), tls=context) as server:
        yield server


def test_a_certificate_that_nobody_vouches_for_is_refused(egress: Egress, encrypted: RawServer) -> None:
    with pytest.raises(DeliveryFailed, match="certificate"):
        post(egress, f"https://receiver.example:{encrypted.port}/")


def test_a_certificate_must_name_the_host_not_the_address(
    encrypted: RawServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    client = build()
    assert post(client, f"https://receiver.example:{encrypted.port}/") == 200
    assert post(client, f"https://receiver.example:{encrypted.port}/") == 200
    assert encrypted.accepted == 1
    with pytest.raises(DeliveryFailed, match="certificate"):
        post(client, f"https://other.example:{encrypted.port}/")
    client.close()


def test_a_tls_handshake_without_end_is_cut_at_the_connect_timeout() -> None:
    client = Egress(LOOPBACK, connect_timeout=0.3, total_timeout=5)
    record = b"\x16\x03\x03\x40\x00"  # The head of a handshake message of 16 KiB.
    with (
        RawServer(dripping(record)) as server,
        pytest.raises(DeliveryFailed, match=r"no connection within 0\.3 s"),
    ):
        post(client, f"https://127.0.0.1:{server.port}/")


def test_a_video_is_fetched_whole(egress: Egress) -> None:
    video = bytes(range(256)) * 4096
    sink = io.BytesIO()
    with RawServer(once(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(video) + video)) as server:
        assert egress.fetch(server.url, sink, max_bytes=len(video)) == len(video)
    assert sink.getvalue() == video


def test_a_video_without_a_length_is_fetched_to_its_end(egress: Egress) -> None:
    sink = io.BytesIO()
    with RawServer(once(b"HTTP/1.1 200 OK\r\n\r\nvideo")) as server:
        assert egress.fetch(server.url, sink, max_bytes=5) == 5
    assert sink.getvalue() == b"video"


def test_a_video_that_is_too_large_is_cut_at_the_cap_whatever_its_length_says(egress: Egress) -> None:
    sink = io.BytesIO()
    with RawServer(endless) as server, pytest.raises(MediaRefused) as refused:
        egress.fetch(server.url, sink, max_bytes=1_000_000)
    assert refused.value.reason == "too_large"
    assert len(sink.getvalue()) <= 1_000_000


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (204, SourceRefused),
        (302, SourceRefused),
        (401, SourceRefused),
        (403, SourceRefused),
        (404, MediaNotFound),
        (408, MediaUnavailable),
        (410, MediaNotFound),
        (429, MediaUnavailable),
        (500, MediaUnavailable),
        (503, MediaUnavailable),
    ],
)
def test_an_origin_that_gives_no_video_is_told_apart(egress: Egress, status: int, error: type[ClipwardenError]) -> None:
    answer = f"HTTP/1.1 {status} No\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".encode()
    with RawServer(once(answer)) as server, pytest.raises(error, match=str(status)) as failed:
        egress.fetch(f"{server.url}?X-Amz-Signature=s3cret", io.BytesIO(), max_bytes=10)
    assert "s3cret" not in str(failed.value)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"])
def test_an_origin_below_the_least_pace_is_cut(start: bytes) -> None:
    client = build(pace=Pace(total=PATIENCE, window=0.3, least=1000))
    with RawServer(dripping(start)) as server, pytest.raises(MediaUnavailable, match=r"less than 1000 bytes .* 0\.3 s"):
        client.fetch(server.url, io.BytesIO(), max_bytes=10**6)


def test_an_origin_that_stalls_is_cut() -> None:
    closing = threading.Event()

    def stall(connection: socket.socket) -> None:
        once(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000)(connection)
        closing.wait()

    with RawServer(stall) as server:
        with pytest.raises(MediaUnavailable, match="less than"):
            build(pace=Pace(total=PATIENCE, window=0.2, least=1000)).fetch(server.url, io.BytesIO(), max_bytes=10**6)
        closing.set()


def test_an_origin_that_keeps_its_pace_is_cut_at_the_last_deadline() -> None:
    client = build(pace=Pace(total=1.0, window=0.2, least=1))
    with RawServer(dripping(b"HTTP/1.1 200 OK\r\n\r\n")) as server, pytest.raises(MediaUnavailable, match="within 1 s"):
        client.fetch(server.url, io.BytesIO(), max_bytes=10**6)


def test_a_transfer_that_breaks_off_is_unavailable_not_short(egress: Egress) -> None:
    with (
        RawServer(once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as server,
        pytest.raises(MediaUnavailable, match="broke off"),
    ):
        egress.fetch(server.url, io.BytesIO(), max_bytes=1000)
