"""The thread that keeps a consuming process's messages safe: it says the process lives, and finds what went astray."""

import logging
import threading
import time
from collections.abc import Collection
from typing import Protocol

log = logging.getLogger(__name__)


class Kept(Protocol):
    """What the keeper needs of its broker; each call raises when Redis cannot be reached."""

    def consumed_queues(self) -> Collection[str]:
        """Return the queues, delay queues included, that this process consumes."""

    def beat(self, queue_name: str) -> None:
        """Tell Redis that this process lives, and let it look after a queue."""

    def astray(self, queue_name: str) -> set[str]:
        """Return what Redis counts as fetched by this process and the process does not have."""

    def restore(self, queue_name: str, ids: Collection[str]) -> None:
        """Put messages back into their queue."""


class Keeper:
    """Looks after a broker every ``interval`` seconds, in a thread of its own."""

    def __init__(self, broker: Kept, *, interval: float, patience: float, settling: float) -> None:
        self._broker = broker
        self._interval = interval
        self._patience = patience  #: Seconds within which a reply that is under way must have come.
        self._settling = settling  #: Seconds without a fault after which Redis has heard from every live process.
        self._first_seen: dict[tuple[str, str], float] = {}
        self._reached_since: float | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread unless it runs."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="clipwarden-keeper", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    @property
    def settled(self) -> bool:
        """Say whether a silent process must be dead.

        Right after Redis was away, or right after our own start, the living may only not have been heard yet.
        """
        since = self._reached_since
        return since is not None and time.monotonic() - since >= self._settling

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                for queue_name in self._broker.consumed_queues():
                    self._look_after(queue_name)
            except Exception as exc:  # noqa: BLE001 # whatever it is, a process without a keeper would be worse
                self._reached_since = None
                log.warning("cannot look after the bus: %s", exc)
            else:
                self._reached_since = self._reached_since or time.monotonic()

    def _look_after(self, queue_name: str) -> None:
        self._broker.beat(queue_name)
        now = time.monotonic()
        astray = self._broker.astray(queue_name)
        seen = {key: at for key, at in self._first_seen.items() if key[0] != queue_name or key[1] in astray}
        self._first_seen = seen | {(queue_name, id_): seen.get((queue_name, id_), now) for id_ in astray}
        lost = [id_ for id_ in astray if now - self._first_seen[queue_name, id_] >= self._patience]
        if lost:
            self._broker.restore(queue_name, lost)
