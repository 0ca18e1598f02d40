"""The callback receiver, called by the egress that calls real ones."""

import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from callbacks import KEY, account, asset, label, moderation
from clipwarden import callback
from clipwarden.egress import Egress
from clipwarden.errors import DeliveryFailed
from clipwarden.moderation import Account, Status
from clipwarden_local.receiver import Answer, Receiver


@pytest.fixture
def egress() -> Iterator[Egress]:
    client = Egress((ipaddress.ip_network("127.0.0.1"),), connect_timeout=2, total_timeout=1)
    yield client
    client.close()


def send(egress: Egress, url: str, tenant: Account | None = None, at: datetime | None = None) -> int:
    tenant = tenant or account()
    now = at or datetime.now(UTC)
    rejected = moderation(status=Status.REJECTED)
    body = callback.moderation_body(
        tenant, asset(public_id="夏/ü"), rejected, [label()], public_url="http://media.example", triggered_at=now
    )
    return egress.post(url, headers=callback.headers(body, "d-1", tenant, [KEY], now), body=body.encode()).status


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_what_is_sent_arrives_and_the_official_sdk_verifies_it(egress: Egress, algorithm: str) -> None:
    with Receiver(secret="abcd", algorithm=algorithm) as receiver:
        assert send(egress, receiver.url, account(signature_algorithm=algorithm)) == 200
        got = receiver.wait_for(moderation().id, within=5)
    assert got.verified
    assert got.payload["moderation_status"] == "rejected"
    assert got.payload["public_id"] == "夏/ü"
    assert got.headers["webhook-id"] == "d-1"
    assert got.headers["content-type"] == "application/json"


def test_a_wrong_secret_and_an_old_timestamp_are_not_verified(egress: Egress) -> None:
    with Receiver(secret="abcd") as receiver:
        send(egress, receiver.url, account(api_secret="other"))
        send(egress, receiver.url, at=datetime.now(UTC) - timedelta(hours=3))
        egress.post(receiver.url, headers={}, body=b"\xff")
        assert [got.verified for got in receiver.received] == [False, False, False]
        assert receiver.received[2].moderation_id is None


def test_it_answers_as_told_and_then_well_again(egress: Egress) -> None:
    with Receiver(secret="abcd") as receiver:
        receiver.answer_next(Answer(status=503, headers={"Retry-After": "1"}), times=2)
        receiver.answer_next(Answer(status=302, headers={"Location": receiver.url}))
        receiver.answer_next(Answer(status=410))
        assert [send(egress, receiver.url) for _ in range(5)] == [503, 503, 302, 410, 200]
        assert receiver.wait_for(moderation().id, within=5) == receiver.received[4]


def test_what_breaks_off_before_its_end_is_no_callback(egress: Egress) -> None:
    with Receiver(secret="abcd") as receiver:
        where = urlsplit(receiver.url)
        with socket.create_connection((where.hostname, where.port), timeout=5) as caller:
            caller.sendall(b"POST /callbacks HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n{")
            caller.shutdown(socket.SHUT_WR)
            assert caller.recv(1) == b""  # Nothing is answered.
        assert send(egress, receiver.url) == 200
        assert [got.verified for got in receiver.received] == [True]


def test_it_hangs_as_told(egress: Egress) -> None:
    with Receiver(secret="abcd") as receiver:
        receiver.answer_next(Answer(hangs=True))
        with pytest.raises(DeliveryFailed):
            send(egress, receiver.url)
        assert not receiver.received[0].acknowledged
        with pytest.raises(TimeoutError, match="no callback"):
            receiver.wait_for(moderation().id, within=0.05)


@pytest.mark.parametrize("as_json", [False, True])
def test_as_a_command_it_prints_what_comes_and_whether_it_is_genuine(egress: Egress, *, as_json: bool) -> None:
    command = [sys.executable, "-m", "clipwarden.cli", "listen", "--port", "0", *(["--json"] if as_json else [])]
    env = {**os.environ, "CLIPWARDEN_LISTEN_SECRET": "abcd", "CLIPWARDEN_LISTEN_WEBHOOK_SECRET": KEY}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        url = json.loads(first)["url"] if as_json else first.removeprefix("listening at ").strip()
        assert send(egress, url) == 200
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        assert process.wait(20) in (0, 130)
    if as_json:
        told = json.loads(line)
        assert (told["cloudinary"], told["standard_webhooks"], told["webhook_id"]) == ("right", "right", "d-1")
        assert told["payload"]["public_id"] == "夏/ü"
    else:
        assert (
            "moderation 夏/ü rejected, signatures: Cloudinary's right, Standard Webhooks' right, delivery d-1" in line
        )


def test_as_a_command_it_says_what_is_wrong_with_a_secret() -> None:
    command = [sys.executable, "-m", "clipwarden.cli", "listen", "--webhook-secret", "whsec_x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "a webhook secret is whsec_" in done.stderr
