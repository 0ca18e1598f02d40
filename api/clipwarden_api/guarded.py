"""HTTP/1.1 as uvicorn speaks it, with bounds to a request's head, which uvicorn and httptools do not set."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of a head: the names of a hundred assets fit into the query.
LARGEST = 128 * 1024
#: Seconds that a connection gets for it.
PATIENCE = 20.0


class Guarded(HttpToolsProtocol):
    """Refuses heads that are too large, and closes connections on which none comes to its end."""

    _pending = True  # Whether a head is on its way.
    _count = 0
    _heads = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the base class has it
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before the head is complete."""
        if self._pending and self._timer is None:
            self._wait()
        pending, heads = self._pending, self._heads
        super().data_received(data)
        # Of bytes in which a head or a body ended, what follows is the beginning of the next.
        if pending and heads == self._heads:
            self._count += len(data)
            if self._count > LARGEST:
                self.send_400_response("The request's head is too large.")

    def on_headers_complete(self) -> None:
        """Go on with a head that is small enough; raises ValueError, which ends the connection, for another."""
        self._pending, self._count, self._heads = False, 0, self._heads + 1
        self._rest()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > LARGEST:
            raise ValueError("the head is too large")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next head."""
        super().on_message_complete()
        self._pending = True

    def _wait(self) -> None:
        self._timer = self.loop.call_later(PATIENCE, self._give_up)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
