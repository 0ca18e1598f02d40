"""How long it takes from the start of each process to the moment at which it works, beside Python alone.

``python -m bench.serving`` starts each several times, in turns, on a new SQLite file and a private Redis, and takes the
median: of commands until they end, of the others until ``/readyz`` says so.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench import report
from clipwarden_local import private_redis
from clipwarden_local.ports import free_port

_TIMES = 5
_PATIENCE = 60
_CLIPWARDEN = str(Path(sys.executable).parent / "clipwarden")


def main() -> None:
    """Measure, print, keep and publish."""
    with _surroundings() as environment:
        found = measure(environment)
    section = report.pairs_table({f"{name}, ms": round(seconds * 1000) for name, seconds in found.items()})
    print(section)
    report.keep("serving", {"on": report.machine(), "s": found})
    report.publish({"serving": section})


def measure(environment: dict[str, str]) -> dict[str, float]:
    """Return the median seconds of each."""
    port = str(free_port())
    metrics = {"CLIPWARDEN_WORKER__METRICS_PORT": port, "CLIPWARDEN_API__METRICS_PORT": str(free_port())}
    ready = f"http://127.0.0.1:{port}/readyz"
    runs: Mapping[str, Callable[[], float]] = {
        "Python alone": lambda: _ended([sys.executable, "-c", ""], environment),
        "clipwarden --version": lambda: _ended([_CLIPWARDEN, "--version"], environment),
        "clipwarden migrate, of a new database": lambda: _migrated(environment),
        "clipwarden migrate, with nothing to do": lambda: _ended([_CLIPWARDEN, "migrate"], environment),
        "clipwarden worker, until it is ready": lambda: _ready([_CLIPWARDEN, "worker"], environment | metrics, ready),
        "clipwarden api, until it is ready": lambda: _ready(
            [_CLIPWARDEN, "api", "--port", port], environment | {"CLIPWARDEN_API__METRICS_PORT": "0"}, ready
        ),
        "clipwarden up, until its gateway is ready": lambda: _up(port, ready),
    }
    turns: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_TIMES):
        for name, run in runs.items():
            turns[name].append(run())
    return {name: round(statistics.median(each), 3) for name, each in turns.items()}


@contextmanager
def _surroundings() -> Iterator[dict[str, str]]:
    """Give the environment of processes that have a Redis, a migrated database and a folder for media."""
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder:
        data, port = Path(folder) / "redis", free_port()
        data.mkdir()
        url = f"redis://127.0.0.1:{port}/0"
        server = subprocess.Popen(private_redis.server_command(private_redis.find_server(), data=data, port=port))
        try:
            private_redis.wait_until_ready(url, _PATIENCE)
            environment = os.environ | {
                "CLIPWARDEN_DATABASE__URL": f"sqlite:///{folder}/bench.db",
                "CLIPWARDEN_REDIS__URL": url,
                "CLIPWARDEN_MEDIA__ROOT": f"{folder}/media",
                "CLIPWARDEN_LOG__LEVEL": "error",
                "AWS_ACCESS_KEY_ID": "none",
                "AWS_SECRET_ACCESS_KEY": "none",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
            _ended([_CLIPWARDEN, "migrate"], environment)
            yield environment
        finally:
            server.terminate()
            server.wait(timeout=_PATIENCE)


def _ended(argv: list[str], environment: Mapping[str, str]) -> float:
    began = time.monotonic()
    subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def _migrated(environment: Mapping[str, str]) -> float:
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder:
        return _ended(
            [_CLIPWARDEN, "migrate"], {**environment, "CLIPWARDEN_DATABASE__URL": f"sqlite:///{folder}/new.db"}
        )


def _up(port: str, ready: str) -> float:
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder:
        argv = [_CLIPWARDEN, "up", "--data", folder, "--port", port, "--metrics-port", "0", "--no-samples"]
        return _ready([*argv, "--analyser", "scripted"], os.environ, ready)


def _ready(argv: list[str], environment: Mapping[str, str], url: str) -> float:
    began = time.monotonic()
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(argv, env=environment, stdout=nothing, stderr=nothing)
    try:
        while not _answers(url):
            if process.poll() is not None or time.monotonic() - began > _PATIENCE:
                raise SystemExit(f"{' '.join(argv)} has not become ready")
            time.sleep(0.01)
        return time.monotonic() - began
    finally:
        process.terminate()
        process.wait(timeout=_PATIENCE)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except OSError:  # Or an answer that it is not ready.
        return False
    return True


if __name__ == "__main__":
    main()
