"""How many messages a dispatcher may make anew for rows that are due, so that no queue fills with repetitions.

A row whose message waits in a long queue falls due again and again. Once a queue is full, its messages are enough to
work on, so only the longest overdue row gets another one now and then: its message may have been lost.
"""

import time
from collections.abc import Callable

from clipwarden_workers.bus import Bus, Queue

#: Messages with which a queue is full: more than all workers do while a row's lease lasts is more than they need.
FULL = 400
#: Seconds after which a queue is asked again.
EVERY = 1.0


class Room:
    """What may still be sent to a queue, which is asked only once that is used up; for one kind of rows."""

    def __init__(self, bus: Bus, queue: Queue, *, now: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._queue = queue
        self._now = now
        self._left = 0
        self._ask_at = 0.0

    def left(self) -> int:
        """Return how many messages may be sent: at least one a second, whatever is in the queue.

        Raises BusUnavailable when the queue cannot be asked; sending the one that is left then tells more.
        """
        if self._left == 0 and self._now() >= self._ask_at:
            self._left, self._ask_at = 1, self._now() + EVERY
            self._left = max(1, FULL - self._bus.waiting(self._queue))
        return self._left

    def take(self, count: int) -> None:
        """Count so many messages as sent."""
        self._left -= count
