"""Ports of the loopback interface for servers that are started in a moment."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

from clipwarden import errors

#: Below those that kernels give to outgoing connections (from 32768 on Linux, 49152 elsewhere), which nobody can bind.
RANGE = range(20_000, 32_000)


def free_port() -> int:
    """Return a port that nothing listens on; on this machine each comes once in turn, so that it stays free a while.

    Raises ConfigurationError when all are taken.
    """
    with os.fdopen(os.open(_counter(), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        last = file.read()
        port = int(last) if last.isdecimal() else random.SystemRandom().choice(RANGE)
        for _ in RANGE:
            port = port + 1 if port + 1 in RANGE else RANGE.start
            if _is_free(port):
                file.seek(0)
                file.write(str(port))
                file.truncate()
                return port
    raise errors.ConfigurationError(f"no port between {RANGE.start} and {RANGE.stop} is free on 127.0.0.1")


def _counter() -> Path:
    return Path(tempfile.gettempdir()) / f"clipwarden-port-{os.getuid()}"


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
