"""The servers of one measurement, and what is read from them: Redis, the scripted endpoint, a database, no workers."""

import json
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from bench.aws import Channel
from clipwarden.processes import Child
from clipwarden_local.stack import Options, Stack

#: What AWS grants by default: jobs at once, and calls per second of either operation in most regions.
SLOTS, RATE = 20, 5.0
#: Slots, and calls per second, that are no limit.
_UNLIMITED = 1000
#: Shortest interval of the dispatchers, in seconds, and of the consumers, in milliseconds: below, their own looks would
#: be what is measured.
_SHORTEST_DISPATCH, _SHORTEST_HOP = 0.05, 20


@contextmanager
def running(
    *,
    compression: float = 1,
    limited: bool = True,
    database_url: str | None = None,
    channel: Channel | None = None,
    more: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Give the servers for the time of the block, with every quota and wait of the real service compressed alike.

    Without a database URL the database is a SQLite file, without a channel jobs are only polled. ``more`` are further
    settings. Workers are started by ``workers``.
    """
    slots, rate = (SLOTS, RATE * compression) if limited else (_UNLIMITED, _UNLIMITED)
    granted = str(rate) if limited else "0"
    environment = {
        "CLIPWARDEN_REKOGNITION__SLOTS": str(slots),
        "CLIPWARDEN_REKOGNITION__START_RATE": str(rate),
        "CLIPWARDEN_REKOGNITION__GET_RATE": str(rate),
        "CLIPWARDEN_REKOGNITION__FIRST_LOOK": str(5 / compression if limited else 0.01),
        "CLIPWARDEN_REKOGNITION__LOOK_PRICE": str(0.3 / compression),
        "CLIPWARDEN_REKOGNITION__LONGEST_INTERVAL": str(60 / compression),
        "CLIPWARDEN_REKOGNITION__REUSE_WINDOW": "0",
        "CLIPWARDEN_REKOGNITION__REFUSED_WAIT": str(30 / compression),
        "CLIPWARDEN_WORKER__DISPATCH_INTERVAL": str(max(_SHORTEST_DISPATCH, 0.25 / compression)),
        "CLIPWARDEN_WORKER__HOP_TIMEOUT_MS": str(max(_SHORTEST_HOP, int(50 / compression))),
    }
    if database_url is not None:
        environment["CLIPWARDEN_DATABASE__URL"] = database_url
    if channel is not None:
        environment |= channel.environment()
    environment |= more or {}
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder:
        options = Options(
            data=Path(folder),
            analyser="scripted",
            log_level="error",
            processes=0,
            environment=tuple(environment.items()),
            endpoint=(
                *("--open-jobs", str(slots), "--start-rate", granted, "--get-rate", granted),
                *(("--sns", channel.url) if channel is not None else ()),
            ),
        )
        with Stack(options, report=lambda _: None) as stack:
            # boto3 in this process wants something to sign with, too.
            os.environ.update({name: value for name, value in stack.environment().items() if name.startswith("AWS_")})
            yield stack


def workers(stack: Stack, processes: int = 2, *, queues: str | None = None) -> None:
    """Start worker processes; they end with the stack."""
    words = ["clipwarden.cli", "worker", "--processes", str(processes)]
    start(stack, *words, *(["--queues", queues] if queues else []))


def start(stack: Stack, *words: str) -> None:
    """Start ``python -m WORDS`` in the stack's environment; it ends with the stack."""
    env = {**stack.environment(), "CLIPWARDEN_WORKER__METRICS_PORT": "0"}
    stack.supervisor.start(Child(name=words[0], argv=[sys.executable, "-m", *words], env=env))


def bucket(stack: Stack) -> Path:
    """Return the folder in which the stack's videos lie."""
    media = stack.settings().media
    assert media.root is not None
    return media.root / media.bucket


def journal(stack: Stack) -> list[dict[str, Any]]:
    """Return every call that the endpoint has answered, in order."""
    calls: list[dict[str, Any]] = []
    while True:
        after = calls[-1]["id"] if calls else 0
        with urllib.request.urlopen(f"{stack.endpoint_url}/_journal?after={after}", timeout=60) as answer:
            more = json.load(answer)["calls"]
        if not more:
            return calls
        calls += more


def redis_mb(stack: Stack, *, peak: bool = False) -> float:
    """Return the memory that Redis uses, or the most that it has used, in megabytes; when empty it is about one."""
    with redis.Redis.from_url(stack.redis_url) as client:
        return round(int(client.info("memory")["used_memory_peak" if peak else "used_memory"]) / 1e6, 2)


def until(done: Callable[[], bool], *, within: float, every: float = 0.1) -> bool:
    """Wait for a condition, and say whether it came to hold in time."""
    end = time.monotonic() + within
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
