"""What may grow: memory, threads, files and sockets of each process, connections to both servers, keys, leftovers."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

from load.world import World

#: By whose it is and what it is: ``("worker 1", "threads")``.
Values = dict[tuple[str, str], float]
_BACKENDS = b"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What all gauges said at one moment."""

    at: float  #: Seconds on the monotonic clock.
    values: Values


@dataclass(slots=True, kw_only=True)
class Gauges:
    """Reads all gauges again and again in a thread of its own, within ``reading``."""

    world: World
    processes: dict[str, int]
    every: float  #: Seconds.
    samples: list[Sample] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read for the time of the block."""
        thread = threading.Thread(target=self._run, name="gauges", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(60)

    def look(self) -> Sample:
        """Read all gauges once; raises FileNotFoundError when one of the processes has ended."""
        bus = redis.Redis.from_url(self.world.stack.redis_url)
        with bus, self._database() as database:
            return self._sample(bus, database)

    def _run(self) -> None:
        bus = redis.Redis.from_url(self.world.stack.redis_url)
        with bus, self._database() as database:
            try:
                self.samples.append(self._sample(bus, database))
                while not self._stop.wait(self.every):
                    self.samples.append(self._sample(bus, database))
            except FileNotFoundError as exc:
                self.faults.append(f"a process has ended: {exc.filename}")

    def _database(self) -> "psycopg.Connection[Any]":
        server = self.world.server
        return psycopg.connect(
            host=str(server.folder), port=server.port, user="postgres", dbname="postgres", autocommit=True
        )

    def _sample(self, bus: "redis.Redis", database: "psycopg.Connection[Any]") -> Sample:
        values: Values = {("temporary files", "count"): float(_files(self.world.temporary))}
        for name, pid in self.processes.items():
            values |= {(name, what): value for what, value in of_process(pid).items()}
        [(backends,)] = database.execute(_BACKENDS).fetchall()
        values["postgresql", "connections"] = float(backends)
        values |= _of_redis(bus)
        return Sample(at=time.monotonic(), values=values)


def of_process(pid: int) -> dict[str, float]:
    """Return what a process has (Linux); raises FileNotFoundError when it has ended."""
    folder = Path(f"/proc/{pid}")
    pages = int((folder / "statm").read_text().split()[1])
    open_ = [_target(one) for one in (folder / "fd").iterdir()]
    sockets = sum(target.startswith("socket:") for target in open_)
    return {
        "memory_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "threads": float(len(list((folder / "task").iterdir()))),
        "sockets": float(sockets),
        "files": float(len(open_) - sockets),
    }


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # It was closed since.
        return ""


def _files(folders: tuple[Path, ...]) -> int:
    return sum(len(files) for folder in folders for _, _, files in os.walk(folder))


def _of_redis(bus: "redis.Redis") -> Values:
    told: Any = bus.info()
    return {
        ("redis server", "connections"): float(told["connected_clients"]),
        ("redis server", "used_mb"): told["used_memory"] / 1e6,
        ("redis server", "keys"): float(bus.dbsize()),
    }
