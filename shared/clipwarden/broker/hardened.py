"""Dramatiq's Redis broker without its ways to lose, block or strand a message.

``docs/decisions/0002-hardened-broker.md`` lists them one by one, with the test that shows each.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

import redis
from dramatiq import Consumer, Middleware
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.common import dq_name

from clipwarden.broker.envelope import claimed_id
from clipwarden.broker.fault import reaching_redis
from clipwarden.broker.holdings import Holdings
from clipwarden.broker.keeper import Keeper
from clipwarden.broker.redis_client import REPLY_TIMEOUT
from clipwarden.broker.telling import worth_telling

log = logging.getLogger(__name__)

#: Prefix of all keys unless told otherwise; the braces keep them on one slot of a Redis Cluster.
NAMESPACE = "{clipwarden}"
#: Seconds between two heartbeats of a consuming process.
BEAT_INTERVAL = 2.0
#: Seconds of silence after which a process counts as dead and its messages go to others.
HEARTBEAT_TIMEOUT = 15.0

# Only retries of faults are delayed, by tenths of a second at least; looking for them less often saves idle work.
_DELAYED_HOPS = 10

#: Runs before Dramatiq's script and replaces the caller's clock (its second argument) by Redis' own, so that a worker
#: whose clock is ahead does not take the living for dead.
_REDIS_CLOCK = """
do
    local now = redis.call("TIME")
    ARGV[2] = string.format("%.0f", now[1] * 1000 + math.floor(now[2] / 1000))
end
"""


class HardenedBroker(RedisBroker):
    """Dramatiq's broker with every fault of Redis made a connection error, and with a keeper.

    ``enqueue`` raises BusUnavailable when Redis cannot be reached; the message may be in the queue all the same, so
    it is sent at least once by whoever repeats it. The client may also be a RedisCluster, or a Sentinel's master.
    """

    def __init__(
        self,
        client: "redis.Redis | redis.RedisCluster",
        *,
        namespace: str = NAMESPACE,
        hop_timeout_ms: int = 50,
        middleware: Sequence[Middleware] = (),
        heartbeat_timeout: float = HEARTBEAT_TIMEOUT,
        beat_interval: float = BEAT_INTERVAL,
        patience: float = 2 * REPLY_TIMEOUT,
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call] # Dramatiq's gap
            client=client,
            namespace=namespace,
            middleware=list(middleware),
            heartbeat_timeout=int(heartbeat_timeout * 1000),
        )
        dispatch = cast("bytes", self.scripts["dispatch"].script)
        self.scripts["dispatch"] = client.register_script(_REDIS_CLOCK + dispatch.decode())
        self.logger.addFilter(worth_telling)
        self._hop_timeout_ms = hop_timeout_ms
        self._holdings = Holdings()
        self._consumed: set[str] = set()
        self._keeper = Keeper(self, interval=beat_interval, patience=patience, settling=heartbeat_timeout)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Create a consumer, after putting back what its predecessor on this queue left behind."""
        delayed = queue_name == dq_name(queue_name)
        longest = self._hop_timeout_ms * (_DELAYED_HOPS if delayed else 1)
        consumer = super().consume(queue_name, prefetch, min(timeout, longest))
        self._consumed.add(queue_name)
        self._keeper.start()
        if delayed:
            # The predecessor's delayed messages went with it; those of other queues are still at work in the threads.
            self._holdings.forget(queue_name)
        self.restore(queue_name, self.astray(queue_name))
        return consumer

    @property
    def consumer_class(self) -> type[_RedisConsumer]:
        """Return the class of consumers."""
        return _Consumer

    def close(self) -> None:
        """Stop the keeper and disconnect."""
        self._keeper.stop()
        self.client.close()

    def messages(self, queue_name: str) -> dict[str, int]:
        """Return how many messages of a queue are not acknowledged, delayed until a retry, and dead."""
        key = f"{self.namespace}:{queue_name}"
        with reaching_redis():
            return {
                "unacknowledged": cast("int", self.client.hlen(f"{key}.msgs")),
                "delayed": cast("int", self.client.hlen(f"{key}.DQ.msgs")),
                "dead": cast("int", self.client.zcard(f"{key}.XQ")),
            }

    def consumed_queues(self) -> Collection[str]:
        """Return the queues, delay queues included, that this process consumes."""
        return tuple(self._consumed)

    def beat(self, queue_name: str) -> None:
        """Tell Redis that this process lives, and take over a queue's messages from processes that do not."""
        self.do_qsize(queue_name)

    def give_back(self, queue_name: str, fetched: Sequence[bytes]) -> None:
        """Put fetched messages that nobody has looked at back into their queue."""
        if ids := [id_ for data in fetched if (id_ := claimed_id(queue_name, data))]:
            # Released first: if Redis is away they are astray from now on, and are found.
            self._holdings.release(queue_name, ids)
            self.do_requeue(queue_name, *ids)

    def astray(self, queue_name: str) -> set[str]:
        """Return the ids of messages that Redis counts as fetched by this process and that the process does not have.

        A reply that is still under way makes a message look astray too.
        """
        with reaching_redis():
            fetched = cast(
                "set[bytes]", self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}")
            )
        return self._holdings.lacking(queue_name, (id_.decode() for id_ in fetched))

    def restore(self, queue_name: str, ids: Collection[str]) -> None:
        """Put fetched messages back into their queue, and those that nobody can read to the dead letters."""
        if not ids:
            return
        with reaching_redis():
            kept = self.client.hmget(f"{self.namespace}:{queue_name}.msgs", list(ids))
        unreadable = {id_ for id_, data in zip(ids, kept, strict=True) if data and claimed_id(queue_name, data) != id_}
        for id_ in unreadable:
            log.error("message %s of queue %s cannot be read; it is among the dead letters now", id_, queue_name)
            self.do_nack(queue_name, id_)
        if readable := [id_ for id_ in ids if id_ not in unreadable]:
            log.warning("%d fetched messages of queue %s went astray and are back", len(readable), queue_name)
            self.do_requeue(queue_name, *readable)

    def _should_do_maintenance(self, command: str) -> int:
        # Dramatiq rolls dice at each command, so that the dead may wait for an hour. The keeper looks regularly.
        return int(command == "qsize" and self._keeper.settled)

    def _dispatch(self, command: str) -> Callable[..., Any]:
        dispatch = super()._dispatch(command)  # type: ignore[no-untyped-call] # Dramatiq's gap

        def do_dispatch(queue_name: str, *args: Any) -> Any:
            with reaching_redis():
                reply = dispatch(queue_name, *args)
            if command == "fetch":
                return self._admit(queue_name, reply)
            if command in {"ack", "nack", "requeue"}:
                self._holdings.release(queue_name, args)
            return reply

        return do_dispatch

    def _admit(self, queue_name: str, fetched: Sequence[bytes | None]) -> list[bytes]:
        """Return the messages that a consumer can read; the others stay astray until ``restore`` sees to them."""
        claims = {data: id_ for data in fetched if data and (id_ := claimed_id(queue_name, data))}
        self._holdings.take(queue_name, claims.values())
        return [data for data in fetched if data in claims]


class _Consumer(_RedisConsumer):
    """Dramatiq's consumer, which on its end gives back what it has fetched and not handed out."""

    broker: HardenedBroker

    def close(self) -> None:
        fetched, self.message_cache = self.message_cache, []
        self.broker.give_back(self.queue_name, fetched)
