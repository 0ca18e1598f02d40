"""Children for one task each, forked from a process that has imported what all of them need.

That process, the fork server, is a program that calls ``clipwarden.media.forked.serve``. It is given no environment, so
that a child that is taken over finds no credentials. When this process ends, so do the server and its children.
"""

import json
import socket
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

#: Longest line that a child may send, in bytes.
_LONGEST_LINE = 64 << 10
#: Seconds within which a server has to end once no more is asked of it.
_END = 5.0


class Child:
    """A conversation with one child, which ends with the block; all of it takes ``patience`` seconds at most.

    Every method raises ConnectionError where the child has ended, and TimeoutError where it has taken too long.
    """

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._end = time.monotonic() + patience
        self.spoke = False  #: Whether it has ever said anything.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lines.close()
        self._connection.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._limit()
        self._connection.sendall(data)

    def receive(self) -> dict[str, Any]:
        """Return the next message; raises ValueError or TypeError for what is none."""
        self._limit()
        line = self._lines.readline(_LONGEST_LINE)
        self.spoke = self.spoke or bool(line)
        if not line.endswith(b"\n"):
            raise ConnectionError("the child has ended")
        message = json.loads(line)
        if not isinstance(message, dict):
            raise TypeError("a message is an object")
        return message

    def _limit(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the child has taken too long")
        self._connection.settimeout(left)


class ForkServer:
    """A process that forks children; its methods are called by one thread at a time."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                argv,
                env={},
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Return the server's process id."""
        return self._process.pid

    def runs(self) -> bool:
        """Say whether it has not ended yet."""
        return self._process.poll() is None

    def fork(self, patience: float) -> Child:
        """Return a new child; raises ConnectionError where the server has ended."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"+"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return Child(ours, patience)

    def close(self) -> None:
        """Ask for no more children; the server ends when its last has."""
        self._control.close()

    def wait(self) -> None:
        """Wait for the end of a server that was closed, and do not wait long."""
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
