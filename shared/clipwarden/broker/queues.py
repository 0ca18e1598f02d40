"""The queues of the bus, and how they fare."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipwarden.broker import Countable


class Queue(StrEnum):
    """The queues of the bus; a worker process serves all of them or some."""

    INTAKE = "intake"  #: Producers' messages.
    MODERATE = "moderate"  #: Short steps: start, collect, decide.
    MEDIA = "media"  #: Steps that move, read or delete videos, and long ones: probe, apply, sweep, bulk.
    NOTIFY = "notify"  #: Callbacks.


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """What the bus keeps of one queue, in messages."""

    queue: Queue
    unacknowledged: int  #: Those that wait and, where the bus tells of them, those that are worked on.
    delayed: int
    dead: int


def figures(bus: "Countable") -> list[QueueFigures]:
    """Return how every queue fares; raises BusUnavailable when the bus cannot be reached."""
    return [QueueFigures(queue=queue, **bus.messages(queue)) for queue in Queue]
