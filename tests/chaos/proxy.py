"""A TCP proxy on loopback whose connections can be cut, refused and slowed."""

import contextlib
import socket
import threading
import time
from typing import Self


class Proxy:
    """Forwards to a port of this machine that may be named later."""

    def __init__(self, upstream: int = 0) -> None:
        self.upstream = upstream
        self.refuses = False  #: Whether connections end as soon as they begin.
        self.delay = 0.0  #: Seconds by which each piece of data is late.
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    @property
    def port(self) -> int:
        """Return the port to connect to instead."""
        port: int = self._listener.getsockname()[1]
        return port

    def cut(self) -> None:
        """Break all connections that there are."""
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if self.refuses:
                return
            with socket.create_connection(("127.0.0.1", self.upstream), timeout=5) as server:
                server.settimeout(None)
                with self._lock:
                    self._open |= {client, server}
                try:
                    back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
                    back.start()
                    self._pump(client, server)
                    back.join()
                finally:
                    with self._lock:
                        self._open -= {client, server}

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self.delay:
                    time.sleep(self.delay)
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
