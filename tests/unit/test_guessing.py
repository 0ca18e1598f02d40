"""Whoever is counted by their address cannot get away by another one of the same network."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from clipwarden.settings import ApiSettings
from clipwarden_api.guessing import Guessing
from clipwarden_api.refusals import Refusal


def refused(_: Request, refusal: Refusal) -> Response:
    return Response(status_code=refusal.status)


async def stranger(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(status_code=401)(scope, receive, send)


def asked(app: Guessing, *addresses: str | None) -> list[int]:
    """Return how requests from these addresses are answered."""
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> Any:
        return {"type": "http.request"}

    headers = [(b"authorization", b"Basic x")]
    common = {"type": "http", "method": "GET", "path": "/v1/x", "query_string": b"", "headers": headers}
    for address in addresses:
        client = None if address is None else (address, 1)
        asyncio.run(app({**common, "client": client}, receive, send))
    return statuses


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (("203.0.113.1", "203.0.113.1", "203.0.113.2"), [401, 420, 401]),
        (("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"), [401, 420, 401]),
        (("203.0.113.1", "::ffff:203.0.113.1"), [401, 420]),
        (("10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "::1", "::1", None, None), [401] * 7),
    ],
)
def test_networks_of_one_sender_are_counted_together(addresses: tuple[str | None, ...], expected: list[int]) -> None:
    app = Guessing(stranger, ApiSettings(failed_logins_per_minute=1), refused)
    assert asked(app, *addresses) == expected


def test_nobody_is_counted_where_that_is_not_wanted() -> None:
    assert (
        asked(Guessing(stranger, ApiSettings(failed_logins_per_minute=0), refused), *["203.0.113.1"] * 3) == [401] * 3
    )
