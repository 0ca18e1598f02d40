"""A TCP proxy that loses a reply at a moment that the test chooses."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

#: Given a request and its reply, says whether the connection breaks before the reply arrives.
Cut = Callable[[bytes, bytes], bool]


class CuttingProxy:
    """Forwards to a port of this machine, and breaks connections when told to."""

    def __init__(self, port: int) -> None:
        self._upstream = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._cut: Cut | None = None
        #: Set once a reply was lost.
        self.lost = threading.Event()

    @property
    def url(self) -> str:
        """Return the Redis URL of the server behind the proxy."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def lose_one_reply(self, cut: Cut) -> None:
        """Lose the next reply for which ``cut`` is true, and its connection with it."""
        self.lost.clear()
        self._cut = cut

    def __enter__(self) -> Self:
        """Start forwarding."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Accept no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with client, selectors.DefaultSelector() as ready, contextlib.suppress(OSError):
            server = socket.create_connection(self._upstream)
            with server:
                ready.register(client, selectors.EVENT_READ)
                ready.register(server, selectors.EVENT_READ)
                self._exchange(client, server, ready)

    def _exchange(self, client: socket.socket, server: socket.socket, ready: selectors.BaseSelector) -> None:
        request = b""
        while True:
            for key, _ in ready.select():
                source = client if key.fileobj is client else server
                data = source.recv(1 << 20)
                if not data or (source is server and self._loses(request, data)):
                    return
                if source is client:
                    request = data
                (server if source is client else client).sendall(data)

    def _loses(self, request: bytes, reply: bytes) -> bool:
        cut = self._cut
        if cut is None or not cut(request, reply):
            return False
        self._cut = None
        self.lost.set()
        return True
