"""What a fault of the bus looks like to both sides: to our code, and to Dramatiq's threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from dramatiq.errors import ConnectionClosed

from clipwarden import errors


class BusLost(errors.BusUnavailable, ConnectionClosed):
    """Raised when a call to the bus failed; whether it was carried out is unknown."""

    def __init__(self, message: str) -> None:
        super().__init__(message)  # type: ignore[no-untyped-call] # Dramatiq's gap


@contextmanager
def reaching_redis() -> Iterator[None]:
    """Turn every error of redis-py into BusLost.

    All of them, not only lost connections: Dramatiq's threads wait and repeat after a connection error, but give the
    message up after a timeout, a read-only replica or a full memory, which pass just as well.
    """
    try:
        yield
    except redis.RedisError as exc:
        raise BusLost(f"Redis: {type(exc).__name__}: {exc}") from exc
