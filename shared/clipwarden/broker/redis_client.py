"""Reaching Redis by URL: one server, or the master that Sentinels name."""

from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from clipwarden import errors

#: Seconds to connect within.
CONNECT_TIMEOUT = 2.0
#: Seconds within which Redis must answer.
REPLY_TIMEOUT = 5.0
#: Where a Sentinel listens unless told otherwise.
SENTINEL_PORT = 26379


def connect(url: str, *, reply_timeout: float = REPLY_TIMEOUT, connect_timeout: float = CONNECT_TIMEOUT) -> redis.Redis:
    """Return a client that fails within its timeouts and repeats nothing by itself; raises ConfigurationError.

    redis-py's defaults differ between its constructors, and a command repeated behind our back is a message twice.
    """
    options = {
        "socket_connect_timeout": connect_timeout,
        "socket_timeout": reply_timeout,
        "socket_keepalive": True,
    }
    if urlsplit(url).scheme in {"sentinel", "sentinels"}:
        return _master(url, options)
    try:
        return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
    except ValueError as exc:
        raise errors.ConfigurationError(f"the bus's URL: {exc}") from exc


def _master(url: str, options: dict[str, float]) -> redis.Redis:
    """Return a client of whichever server the Sentinels call master, asked anew at each connection."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    if not (service and hosts) or not (database or "0").isdigit():
        raise errors.ConfigurationError(
            "a Sentinel URL reads sentinel://[USER:PASSWORD@]HOST[:PORT],…/SERVICE[/DATABASE][?sentinel_password=…]"
        )
    secure = {"ssl": True} if parts.scheme == "sentinels" else {}
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    sentinel = Sentinel(  # type: ignore[no-untyped-call] # redis-py's gap
        [_address(host) for host in hosts.split(",")],
        sentinel_kwargs={
            **options,
            **secure,
            "retry": Retry(NoBackoff(), 0),
            "username": asked.get("sentinel_username"),
            "password": asked.get("sentinel_password"),
        },
        username=unquote(user) or None,
        password=unquote(password) or None,
        db=int(database or 0),
        retry=Retry(NoBackoff(), 0),
        **secure,
        **options,
    )
    master: redis.Redis = sentinel.master_for(service)  # type: ignore[no-untyped-call] # the same
    return master


def _address(host: str) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    try:
        port = parts.port
    except ValueError as exc:
        raise errors.ConfigurationError(f"the address of a Sentinel: {exc}") from exc
    return parts.hostname or "localhost", port or SENTINEL_PORT
