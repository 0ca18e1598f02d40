"""The other side of ``clipwarden.media.forking``: the process that forks children, and what a child is before its task.

A child has the connection to its parent as standard input, no other file, and the limits that it is given. Each of its
messages is a line of JSON.
"""

import contextlib
import gc
import json
import os
import resource
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

#: Seconds that a child may exist: more than its parent waits for it.
_ALIVE = 300


class Parent:
    """What a child hears from its parent and tells it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")

    def line(self) -> bytes:
        """Return the next line; it is empty where the parent has ended."""
        return self._stream.readline()

    def read(self, length: int) -> bytes:
        """Return so many bytes, or fewer where the parent has ended."""
        return self._stream.read(length)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message."""
        self._connection.sendall(json.dumps(message).encode() + b"\n")


def serve(task: Callable[[Parent], None], limits: Mapping[int, int]) -> None:
    """Fork a child for each connection that standard input brings, until that ends, and wait for all of them.

    ``limits`` are those of ``resource.setrlimit``. Nothing but this thread runs in the process.
    """
    control = socket.socket(fileno=0)
    signal.signal(signal.SIGCHLD, lambda *_: _reap(os.WNOHANG))
    gc.freeze()  # Children share what a collection would write to.
    while connections := socket.recv_fds(control, 1, 1)[1]:
        if os.fork() == 0:
            try:
                _limit(limits)
                # Instead of the control, which is not for children.
                os.dup2(connections[0], 0)
                os.close(connections[0])
                control.detach()
                task(Parent(socket.socket(fileno=0)))
            finally:
                os._exit(0)
        os.close(connections[0])
    _reap(0)


def _limit(limits: Mapping[int, int]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.alarm(_ALIVE)
    for limit, most in limits.items():
        resource.setrlimit(limit, (most, most))


def _reap(options: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            continue
