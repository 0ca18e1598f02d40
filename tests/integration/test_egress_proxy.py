"""Calls through an operator's proxy, and calls by which receivers know who calls."""

import ipaddress
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from clipwarden.egress import open_egress
from clipwarden.errors import ConfigurationError, DeliveryFailed, DestinationRefused
from clipwarden.settings import CallbackSettings
from servers import RawServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def heard(requests: list[bytes], answer: bytes) -> Callable[[socket.socket], None]:
    """Return what answers once a request and its body are there."""

    def serve(connection: socket.socket) -> None:
        request = b""
        while not request.endswith(b"{}") and not request.startswith(b"CONNECT") and (more := connection.recv(65536)):
            request += more
        requests.append(request)
        connection.sendall(answer)

    return serve


def settings(**changes: object) -> CallbackSettings:
    return CallbackSettings.model_validate({"connect_timeout": 2, "total_timeout": 5, **changes})


def test_a_proxy_gets_all_calls_and_resolves_the_names() -> None:
    requests: list[bytes] = []
    with RawServer(heard(requests, OK)) as server:
        egress = open_egress(settings(proxy=f"http://me:pw@127.0.0.1:{server.port}"))
        assert egress.post("http://receiver.example/hook?a=1", headers={}, body=b"{}").status == 200
        egress.close()
    (asked,) = requests
    assert asked.startswith(b"POST http://receiver.example:80/hook?a=1 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6cHc=\r\n" in asked


def test_a_proxy_does_not_lead_to_addresses_that_are_not_public() -> None:
    with RawServer(heard([], OK)) as server:
        egress = open_egress(settings(proxy=f"http://127.0.0.1:{server.port}"))
        for host in ("127.0.0.1", f"127.0.0.1:{server.port}", "[::ffff:10.0.0.1]", "169.254.169.254", "2130706433"):
            with pytest.raises(DestinationRefused):
                egress.post(f"http://{host}/", headers={}, body=b"{}")
        egress.close()
        assert server.accepted == 0


def test_a_proxy_that_refuses_is_a_failed_delivery() -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with RawServer(heard([], refusal)) as server:
        egress = open_egress(settings(proxy=f"http://127.0.0.1:{server.port}"))
        with pytest.raises(DeliveryFailed, match="the proxy refuses: 407"):
            egress.post("https://receiver.example/", headers={}, body=b"{}")
        egress.close()


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate of 127.0.0.1, and its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    subject = ["-subj", "/CN=us", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    return both


def test_a_receiver_that_asks_for_a_certificate_gets_ours(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.load_verify_locations(pem)
    context.verify_mode = ssl.CERT_REQUIRED
    allowed = str(ipaddress.ip_network("127.0.0.1/32"))
    with RawServer(heard([], OK), tls=context) as server:
        known = open_egress(settings(allow_networks=allowed, client_certificate=pem))
        assert known.post(f"https://127.0.0.1:{server.port}/", headers={}, body=b"{}").status == 200
        known.close()
        unknown = open_egress(settings(allow_networks=allowed))
        with pytest.raises(DeliveryFailed):
            unknown.post(f"https://127.0.0.1:{server.port}/", headers={}, body=b"{}")
        unknown.close()


@pytest.mark.parametrize("proxy", ["egress:4750", "socks5://egress:1080", "http://", "http://user:pw@"])
def test_what_is_no_proxy_is_told_without_its_password(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="CLIPWARDEN_CALLBACK__PROXY") as caught:
        open_egress(CallbackSettings(proxy=SecretStr(proxy)))
    assert "pw" not in str(caught.value)


def test_a_certificate_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="CLIENT_CERTIFICATE cannot be read"):
        open_egress(CallbackSettings(client_certificate=tmp_path / "none.pem"))
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ConfigurationError, match="CLIENT_CERTIFICATE cannot be read"):
        open_egress(CallbackSettings(client_certificate=tmp_path / "empty.pem"))
