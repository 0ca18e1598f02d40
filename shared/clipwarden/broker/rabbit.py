"""Dramatiq's RabbitMQ broker without its ways to lose a message or to wait for ever.

``docs/decisions/0017-past-one-redis.md`` lists them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pika
from dramatiq import Consumer, Message, Middleware
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer
from dramatiq.common import dq_name, xq_name
from dramatiq.errors import ConnectionClosed
from pika.exceptions import AMQPError, ChannelClosedByBroker

from clipwarden import errors
from clipwarden.broker.envelope import readable
from clipwarden.broker.fault import BusLost
from clipwarden.broker.redis_client import CONNECT_TIMEOUT, REPLY_TIMEOUT
from clipwarden.broker.telling import worth_telling

#: Seconds of silence after which either side takes the other for dead; a confirmation is waited for as long.
HEARTBEAT = 10
_NOT_FOUND = 404


class RabbitBroker(RabbitmqBroker):
    """Dramatiq's broker whose every enqueue is confirmed, and whose every fault is a BusLost.

    A confirmed message is on disk. One whose confirmation did not come may be there all the same, so it is sent at
    least once by whoever repeats it. What a process had fetched goes back into its queue as its connection ends.
    """

    def __init__(self, url: str, *, hop_timeout_ms: int = 50, middleware: Sequence[Middleware] = ()) -> None:
        """Contact nobody yet; ``url`` may name several nodes of one cluster, separated by semicolons."""
        try:
            # Without confirmations, what is written into a connection that has just died is gone without a word.
            super().__init__(url=url.split(";"), confirm_delivery=True, middleware=list(middleware))
        except (ValueError, TypeError) as exc:
            # The complaint may repeat the password.
            raise errors.ConfigurationError("the URL of RabbitMQ cannot be read") from exc
        for parameters in self.parameters:
            parameters.heartbeat = HEARTBEAT
            parameters.socket_timeout = CONNECT_TIMEOUT
            parameters.stack_timeout = 2 * CONNECT_TIMEOUT
            # A node that is short of memory or disk lets publishers wait for ever.
            parameters.blocked_connection_timeout = REPLY_TIMEOUT
        self._hop_timeout_ms = hop_timeout_ms
        self.logger.addFilter(worth_telling)

    def enqueue(self, message: "Message[Any]", *, delay: int | None = None) -> "Message[Any]":
        """Enqueue a message and return once RabbitMQ has it; raises BusUnavailable."""
        with _reaching():
            return super().enqueue(message, delay=delay)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Create a consumer."""
        with _reaching():
            return super().consume(queue_name, prefetch, min(timeout, self._hop_timeout_ms))

    def close(self) -> None:
        """Disconnect."""
        # Dramatiq also closes what is closed, and pika tells of each as an error.
        for connection in [one for one in tuple(self.connections) if one.is_open]:
            with suppress(AMQPError, OSError):
                connection.close()

    @property
    def consumer_class(self) -> type[_RabbitmqConsumer]:
        """Return the class of consumers."""
        return _Consumer

    def messages(self, queue_name: str) -> dict[str, int]:
        """Return how many messages wait in a queue, and how many are dead; what workers have fetched is not told."""
        names = {"unacknowledged": queue_name, "delayed": dq_name(queue_name), "dead": xq_name(queue_name)}
        # Not the thread's own connection: whoever asks now and then lets it die of silence.
        with _reaching():
            connection = pika.BlockingConnection(self.parameters)
            try:
                return {state: _ready(connection, name) for state, name in names.items()}
            finally:
                with suppress(AMQPError):
                    connection.close()


def _ready(connection: "pika.BlockingConnection", queue_name: str) -> int:
    channel = connection.channel()
    try:
        return int(channel.queue_declare(queue_name, passive=True).method.message_count)
    except ChannelClosedByBroker as exc:
        if exc.reply_code == _NOT_FOUND:
            return 0
        raise


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except BusLost:
        raise
    except (AMQPError, ConnectionClosed, OSError) as exc:
        raise BusLost(f"RabbitMQ: {type(exc).__name__}: {exc}") from exc


class _Consumer(_RabbitmqConsumer):
    """Dramatiq's consumer, which sends to the dead letters what would end a worker's thread."""

    def __next__(self) -> Any:
        message = super().__next__()  # type: ignore[no-untyped-call] # Dramatiq's gap
        if message is None or readable(self.queue_name, message):
            return message
        self.logger.error("message %s of queue %s cannot be read", message.message_id, self.queue_name)
        self.nack(message)  # type: ignore[no-untyped-call] # the same
        return None
