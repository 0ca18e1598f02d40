"""Messages that this process sends at their time, to the millisecond and without asking the database.

They are a convenience: the row of each falls due a little later by itself, so one that is forgotten when the process
ends costs that little, and one that comes twice, or too late, finds nothing to do.
"""

import heapq
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from clipwarden import logs
from clipwarden_workers.bus import Step

log = logs.logger(__name__)

Send = Callable[[Step, str, int], object]


class Appointments:
    """A thread that sends each message when its time has come; begun with the first."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, Step, str, int]] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    def make(self, wait: timedelta, step: Step, row_id: str, fence: int) -> None:
        """Send the message after the given time."""
        with self._changed:
            if self._closed:
                return
            heapq.heappush(self._waiting, (time.monotonic() + wait.total_seconds(), step, row_id, fence))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="appointments", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Forget what is still to be sent, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (message := self._next()) is not None:
            try:
                self._send(*message)
            except Exception:
                log.exception("appointment missed", step=message[0])

    def _next(self) -> tuple[Step, str, int] | None:
        """Wait for the next message's time and return it; ``None`` when the process ends."""
        with self._changed:
            while not self._closed:
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._waiting)[1:]
                self._changed.wait(wait)
        return None
