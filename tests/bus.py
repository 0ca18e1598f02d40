"""One process on the bus, with the limits of minutes cut to seconds, for tests of what happens to its messages."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import redis
from dramatiq import Message, Worker

from clipwarden.broker.hardened import NAMESPACE, HardenedBroker
from clipwarden.broker.redis_client import connect
from clipwarden.broker.retries import SafeRetries
from waiting import eventually

#: What a test's actor does.
Work = Callable[[Any], object]

QUEUE = "q"
KEY = f"{NAMESPACE}:{QUEUE}"
#: Seconds; every limit that is minutes or seconds in production.
REPLY_TIMEOUT, HEARTBEAT_TIMEOUT, BEAT_INTERVAL, PATIENCE = 0.5, 1.0, 0.1, 1.0


def hardened(url: str, heartbeat_timeout: float = HEARTBEAT_TIMEOUT) -> HardenedBroker:
    return HardenedBroker(
        connect(url, reply_timeout=REPLY_TIMEOUT),
        hop_timeout_ms=20,
        middleware=[SafeRetries()],
        heartbeat_timeout=heartbeat_timeout,
        beat_interval=BEAT_INTERVAL,
        patience=PATIENCE,
    )


class Bus:
    """One process's broker, worker and actor; ``ran`` counts the runs of each message by its argument."""

    def __init__(
        self,
        url: str,
        work: Work = lambda _: None,
        *,
        threads: int = 2,
        heartbeat_timeout: float = HEARTBEAT_TIMEOUT,
    ) -> None:
        self.broker = hardened(url, heartbeat_timeout)
        self.ran: Counter[Any] = Counter()
        self._work = work
        dramatiq.Actor(self._run, broker=self.broker, actor_name="act", queue_name=QUEUE, priority=0, options={})
        self.worker = Worker(self.broker, worker_threads=threads, worker_timeout=20)

    def _run(self, what: Any) -> None:
        self.ran[what] += 1
        self._work(what)

    def send(self, what: Any, delay: int | None = None) -> None:
        self.broker.enqueue(message(what), delay=delay)

    @contextlib.contextmanager
    def working(self) -> Iterator["Bus"]:
        self.worker.start()
        try:
            yield self
        finally:
            self.worker.stop(timeout=5_000)
            self.broker.close()


def message(what: Any) -> "Message[None]":
    return Message(queue_name=QUEUE, actor_name="act", args=(what,), kwargs={}, options={})


def left(client: "redis.Redis") -> int:
    """Return how many messages Redis still has, in whatever state but dead."""
    return int(client.hlen(f"{KEY}.msgs")) + int(client.hlen(f"{KEY}.DQ.msgs"))


def fetched(client: "redis.Redis", bus: Bus) -> set[str]:
    return client.smembers(f"{NAMESPACE}:__acks__.{bus.broker.broker_id}.{QUEUE}")  # type: ignore[return-value] # sync


def running_now(bus: Bus, *what: Any) -> None:
    eventually(lambda: all(bus.ran[one] for one in what), message=f"not all of {what} ran: {bus.ran}")
