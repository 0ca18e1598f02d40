"""Which of the fetched messages are really in this process's memory."""

import threading
from collections import defaultdict
from collections.abc import Iterable


class Holdings:
    """The ids that this process fetched and has not yet acknowledged, by queue.

    Redis keeps such a list too, and the two differ exactly by the messages that were lost on the way: fetched in
    Redis, but the reply never arrived, or dropped by a consumer thread that started over.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: defaultdict[str, set[str]] = defaultdict(set)

    def take(self, queue_name: str, ids: Iterable[str]) -> None:
        """Note that these messages have arrived."""
        with self._lock:
            self._ids[queue_name].update(ids)

    def release(self, queue_name: str, ids: Iterable[str]) -> None:
        """Note that these messages are no longer ours."""
        with self._lock:
            self._ids[queue_name].difference_update(ids)

    def forget(self, queue_name: str) -> None:
        """Note that whatever was held of a queue is gone from memory."""
        with self._lock:
            self._ids.pop(queue_name, None)

    def lacking(self, queue_name: str, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are not held."""
        with self._lock:
            return set(ids) - self._ids[queue_name]
