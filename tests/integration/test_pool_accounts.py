"""A pool in another AWS account: its role is taken on, and Service Quotas is asked how many slots it has."""

import json
import socket

import pytest

from clipwarden.settings import PoolSettings, RekognitionSettings, Settings
from clipwarden_workers import pools
from clipwarden_workers.sessions import session
from servers import RawServer, read_request

ROLE = "arn:aws:iam::123456789012:role/moderation"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ours")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def _answer(status: str, content: dict[str, object]) -> "RawServer":
    def serve(connection: socket.socket) -> None:
        while read_request(connection):
            body = json.dumps(content).encode()
            head = (
                f"HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(head.encode() + body)

    return RawServer(serve)


def _slots(monkeypatch: pytest.MonkeyPatch, server: RawServer, **settings: int | str) -> int | None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", server.url.removesuffix("/callbacks"))
    rekognition = RekognitionSettings.model_validate({"region": "eu-west-1", **settings})
    [pool] = pools.build(Settings(rekognition=rekognition)).values()
    with server:
        return pools.slots(pool)


def test_calls_are_made_as_the_pools_role(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3_endpoint)
    taken = session(PoolSettings(region="eu-west-1", role_arn=ROLE, external_id="us")).get_credentials()
    assert taken is not None
    assert str(taken.get_frozen_credentials().access_key).startswith("ASIA")
    caller = session(PoolSettings(region="eu-west-1", role_arn=ROLE)).client("sts").get_caller_identity()
    assert caller["Arn"] == "arn:aws:sts::123456789012:assumed-role/moderation/clipwarden"


def test_without_a_role_calls_are_made_as_ourselves() -> None:
    own = session(PoolSettings(region="eu-west-1")).get_credentials()
    assert own is not None
    assert own.access_key == "ours"


def test_the_slots_are_what_service_quotas_grants_less_the_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    granting = _answer("200 OK", {"Quota": {"QuotaCode": "L-A6079699", "Value": 50.0}})
    assert _slots(monkeypatch, granting, reserve=5) == 45
    assert granting.accepted == 1


@pytest.mark.parametrize("settings", [{"slots": 7}, {"endpoint_url": "http://127.0.0.1:1", "slots": 7}])
def test_slots_that_are_set_are_not_asked_for(monkeypatch: pytest.MonkeyPatch, settings: dict[str, int | str]) -> None:
    unasked = _answer("200 OK", {"Quota": {"Value": 50.0}})
    assert _slots(monkeypatch, unasked, **settings) == 7
    assert unasked.accepted == 0


def test_where_service_quotas_may_not_be_asked_nobody_says(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = _answer("400 Bad Request", {"__type": "AccessDeniedException", "Message": "not you"})
    assert _slots(monkeypatch, refusing) is None
