"""The queues of the bus, and how they fare."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from clipwarden.broker.fault import reaching_redis

if TYPE_CHECKING:
    import redis


class Queue(StrEnum):
    """The queues of the bus; a worker process serves all of them or some."""

    INTAKE = "intake"  #: Producers' messages.
    MODERATE = "moderate"  #: Short steps: start, collect, decide.
    MEDIA = "media"  #: Steps that move, read or delete videos, and long ones: probe, apply, sweep, bulk.
    NOTIFY = "notify"  #: Callbacks.


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """What Dramatiq keeps in Redis of one queue, in messages."""

    queue: Queue
    unacknowledged: int  #: Those that wait and those that are worked on.
    delayed: int
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BusFigures:
    """The queues, and who was heard of."""

    queues: Sequence[QueueFigures]
    processes: int  #: Workers that live, and producers that have enqueued within as long.


def figures(client: "redis.Redis", namespace: str, *, silence: float) -> BusFigures:
    """Read the figures in one round trip or two; raises BusUnavailable when Redis cannot be reached.

    A process is heard of when it has given a sign within ``silence`` seconds, by Redis' clock.
    """
    with reaching_redis():
        seconds, _ = client.time()
        asked = client.pipeline(transaction=False)
        asked.zcount(f"{namespace}:__heartbeats__", (seconds - silence) * 1000, "+inf")
        for queue in Queue:
            key = f"{namespace}:{queue}"
            asked.hlen(f"{key}.msgs")
            asked.hlen(f"{key}.DQ.msgs")
            asked.zcard(f"{key}.XQ")
        processes, *counts = asked.execute()
    each = zip(Queue, counts[0::3], counts[1::3], counts[2::3], strict=True)
    found = [
        QueueFigures(queue=queue, unacknowledged=open_, delayed=late, dead=dead) for queue, open_, late, dead in each
    ]
    return BusFigures(queues=found, processes=processes)
