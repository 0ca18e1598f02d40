"""Who guesses secrets is slowed down: an address whose credentials were refused too often has to wait.

Each process counts by itself, so that a request with good credentials costs nothing more.
"""

import math
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipwarden import logs
from clipwarden.settings import ApiSettings
from clipwarden_api.refusals import Refusal

log = logs.logger(__name__)

#: Bits of an IPv6 address that tell networks apart: within them, everybody has as many addresses as they like.
_NETWORK = 64


class Guessing:
    """Counts the credentials that were refused, and answers for the application where there were too many."""

    def __init__(self, app: ASGIApp, settings: ApiSettings, refused: Callable[[Request, Refusal], Response]) -> None:
        self._app, self._refused = app, refused
        self._networks = settings.trusted_networks
        self._item = RateLimitItemPerMinute(settings.failed_logins_per_minute)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._counts = settings.failed_logins_per_minute > 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, if its address may try."""
        address = self._address(scope) if self._counts and _tries(scope) else None
        if address is None:
            await self._app(scope, receive, send)
        elif self._limiter.test(self._item, address):
            await self._app(scope, receive, self._counting(address, send))
        else:
            await self._refused(Request(scope), self._refusal(address))(scope, receive, send)

    def _address(self, scope: Scope) -> str | None:
        """Return what a client is counted by; ``None`` where it may speak for many."""
        try:
            address = ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return None
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        if any(address in network for network in self._networks):
            return None
        if isinstance(address, IPv6Address):
            return str(ip_network((address, _NETWORK), strict=False))
        return str(address)

    def _counting(self, address: str, send: Send) -> Send:
        async def counted(message: Message) -> None:
            refused = message["type"] == "http.response.start" and message["status"] == 401  # noqa: PLR2004 # who are you
            if refused and not (self._limiter.hit(self._item, address) and self._limiter.test(self._item, address)):
                log.warning("too many failed logins", address=address)
            await send(message)

        return counted

    def _refusal(self, address: str) -> Refusal:
        left = self._limiter.get_window_stats(self._item, address).reset_time - time.time()
        message = "Too many requests with wrong credentials came from your address; try again in a minute"
        return Refusal(420, message, headers={"Retry-After": str(max(1, math.ceil(left)))})


def _tries(scope: Scope) -> bool:
    """Say whether a request brings credentials: a key and its secret, or a signature in its query or its body."""
    if scope["type"] != "http" or not scope["path"].startswith(("/v1/", "/v1_1/")):
        return False
    if any(name == b"authorization" and value for name, value in scope["headers"]):
        return True
    return scope["path"].startswith("/v1_1/") and (scope["method"] == "POST" or b"signature=" in scope["query_string"])
