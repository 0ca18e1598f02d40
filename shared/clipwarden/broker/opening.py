"""The bus that a URL names."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import dramatiq

from clipwarden import errors
from clipwarden.broker.hardened import NAMESPACE, HardenedBroker
from clipwarden.broker.redis_client import REPLY_TIMEOUT, connect
from clipwarden.broker.retries import SafeRetries

if TYPE_CHECKING:
    from clipwarden.broker.rabbit import RabbitBroker


class Countable(Protocol):
    """A bus that tells how much is in it."""

    def messages(self, queue_name: str) -> dict[str, int]:
        """Return how many messages of a queue are in each state; raises BusUnavailable."""

    def close(self) -> None:
        """Disconnect."""


def build_broker(
    url: str,
    *,
    namespace: str = NAMESPACE,
    hop_timeout_ms: int = 50,
    middleware: Iterable[dramatiq.Middleware] = (),
) -> dramatiq.Broker:
    """Build the bus that a URL of Redis, Sentinels or RabbitMQ names; nothing is contacted yet.

    ``hop_timeout_ms`` is the longest time an idle consumer waits between two looks at its queue; the namespace is
    Redis': RabbitMQ has virtual hosts. Raises ConfigurationError for a URL that cannot be read.
    """
    told = (SafeRetries(), *middleware)
    if is_rabbitmq(url):
        return _rabbitmq(url, hop_timeout_ms, told)
    return HardenedBroker(connect(url), namespace=namespace, hop_timeout_ms=hop_timeout_ms, middleware=told)


def build_counter(url: str, *, namespace: str = NAMESPACE, reply_timeout: float = REPLY_TIMEOUT) -> Countable:
    """Build what counts the messages of a bus; nothing is contacted yet."""
    if is_rabbitmq(url):
        return _rabbitmq(url, 50, ())
    return HardenedBroker(connect(url, reply_timeout=reply_timeout), namespace=namespace)


def is_rabbitmq(url: str) -> bool:
    """Say whether a URL names RabbitMQ."""
    return url.startswith(("amqp://", "amqps://"))


def _rabbitmq(url: str, hop_timeout_ms: int, middleware: tuple[dramatiq.Middleware, ...]) -> "RabbitBroker":
    try:
        from clipwarden.broker import rabbit  # noqa: PLC0415 # only those who use it have its client
    except ModuleNotFoundError as exc:
        raise errors.ConfigurationError(f"RabbitMQ needs {exc.name}: pip install 'clipwarden[rabbitmq]'") from exc
    return rabbit.RabbitBroker(url, hop_timeout_ms=hop_timeout_ms, middleware=middleware)
