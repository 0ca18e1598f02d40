"""The yardstick: a chain of four actors that do nothing, on stock Dramatiq. ``python -m bench.chain`` works on it."""

import logging
import threading

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from clipwarden.settings import Settings

#: Actors that one message passes through.
HOPS = 4
_NAMESPACE, _QUEUE, _DONE = "bare", "hops", "bench:done"


class Chain:
    """The actors on one stock broker."""

    def __init__(self, url: str) -> None:
        self.broker = RedisBroker(url=url, namespace=_NAMESPACE)  # type: ignore[no-untyped-call] # Dramatiq's gap
        self._redis = redis.Redis.from_url(url)
        self._hops = [self._declare(number) for number in range(HOPS)]

    def send(self, count: int) -> None:
        """Begin that many chains."""
        for _ in range(count):
            self._hops[0].send()

    def done(self) -> int:
        """Return how many chains have ended."""
        return int(self._redis.get(_DONE) or 0)

    def _declare(self, number: int) -> "dramatiq.Actor[[], None]":
        def hop() -> None:
            if number + 1 < HOPS:
                self._hops[number + 1].send()
            else:
                self._redis.incr(_DONE)

        return dramatiq.Actor(
            hop, broker=self.broker, actor_name=f"hop{number}", queue_name=_QUEUE, priority=0, options={}
        )


def main() -> None:
    """Work until terminated, with as many threads as a worker process has and its short waits."""
    logging.disable()
    settings = Settings()
    chain = Chain(settings.redis.url.get_secret_value())
    worker = settings.worker
    dramatiq.Worker(chain.broker, worker_threads=worker.threads, worker_timeout=worker.hop_timeout_ms).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
