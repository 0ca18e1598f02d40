"""Connections that are kept for the next exchange with the same server; while one is used, it is its thread's alone.

httpcore's own pool looks after connections that it has already given to a thread: one that has just grown too old, or
whose answer has just come, is closed under the thread that uses it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpcore

_Key = tuple[bytes, bytes, int]


class Connections:
    """Opens connections, and keeps some that are idle; usable from many threads at once."""

    def __init__(self, create: Callable[[httpcore.Origin], httpcore.ConnectionInterface], *, most: int) -> None:
        self._create = create
        self._most = most
        self._lock = threading.Lock()
        self._idle: dict[httpcore.ConnectionInterface, _Key] = {}  # The one that is idle for the longest comes first.
        self._closed = False

    @contextmanager
    def lent(self, url: httpcore.URL) -> Iterator[httpcore.ConnectionInterface]:
        """Give a connection to the URL's server for one exchange."""
        origin = url.origin
        key = (origin.scheme, origin.host, origin.port)
        connection = self._kept(key) or self._create(origin)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._keep(connection, key)

    def close(self) -> None:
        """Close all that are idle, and the others when their exchanges have ended."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
        for connection in idle:
            connection.close()

    def _kept(self, key: _Key) -> httpcore.ConnectionInterface | None:
        while (connection := self._newest(key)) is not None:
            if not connection.has_expired():
                return connection
            connection.close()
        return None

    def _newest(self, key: _Key) -> httpcore.ConnectionInterface | None:
        with self._lock:
            found = next((one for one, of in reversed(self._idle.items()) if of == key), None)
            if found is not None:
                del self._idle[found]
            return found

    def _keep(self, connection: httpcore.ConnectionInterface, key: _Key) -> None:
        surplus = None
        with self._lock:
            if self._closed or not connection.is_idle():
                surplus = connection
            else:
                self._idle[connection] = key
                oldest = next(iter(self._idle))
                if len(self._idle) > self._most or oldest.has_expired():
                    surplus = oldest
                    del self._idle[oldest]
        if surplus is not None:
            surplus.close()
