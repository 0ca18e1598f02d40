"""What it takes to start each process: processor time, modules and memory once all is imported that it needs.

``python -m bench.starting`` imports in fresh interpreters, in turns, and takes the least of each. ``--beside FOLDER``
measures another checkout of clipwarden in the same turns.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import report

_TIMES = 3
_HERE = Path(__file__).parents[1]
_PACKAGES = ("shared", "workers", "api", "local")
_PROGRAM = """
import json, resource, sys, pathlib
sys.path[:0] = {paths}
import {modules}
spent = resource.getrusage(resource.RUSAGE_SELF)
status = pathlib.Path("/proc/self/status").read_text().splitlines()
memory = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
print(json.dumps([1000 * (spent.ru_utime + spent.ru_stime), len(sys.modules), memory]))
"""

#: What is imported, by what it is for; the libraries of a process are the floor of it.
WHAT: Mapping[str, str] = {
    "Python alone": "sys",
    "`import clipwarden`": "clipwarden",
    "the client": "clipwarden, clipwarden.client",
    "its libraries: Dramatiq, redis-py, Pydantic": "dramatiq, redis, pydantic",
    "the supervisor of workers": "clipwarden_workers.worker",
    "a worker": "clipwarden_workers.worker, clipwarden_workers.process",
    "its libraries: boto3, SQLAlchemy, structlog as well": (
        "dramatiq, redis, pydantic, pydantic_settings, boto3, sqlalchemy, structlog, prometheus_client, httpcore"
    ),
    "the supervisor of gateways": "clipwarden_api.server",
    "a gateway": "clipwarden_api.server, {gateway}",
    "its libraries: Starlette, uvicorn, Jinja instead of boto3": (
        "dramatiq, redis, pydantic, pydantic_settings, sqlalchemy, structlog, prometheus_client, httpcore, "
        "starlette.applications, uvicorn, jinja2, limits, argon2"
    ),
    "what children that probe are forked from": "clipwarden.media.probing",
    "its library: PyAV": "av",
}


def main() -> None:
    """Measure, print, keep and publish."""
    parser = argparse.ArgumentParser(prog="python -m bench.starting", description=__doc__)
    parser.add_argument("--beside", type=Path, help="another checkout, measured in the same turns")
    beside = parser.parse_args().beside
    folders = {"now": _HERE} | ({"before": beside} if beside is not None else {})
    found = measure(folders)
    section = _table(found, list(folders))
    print(section)
    report.keep("starting", {"on": report.machine(), "ms, modules, MiB": found})
    report.publish({"starting": section})


def measure(folders: Mapping[str, Path]) -> dict[str, dict[str, list[float]]]:
    """Return the milliseconds, modules and MiB of each, by checkout."""
    least: dict[str, dict[str, list[float]]] = {name: {} for name in WHAT}
    for _ in range(_TIMES):
        for name, modules in WHAT.items():
            for which, folder in folders.items():
                one = _imported(folder, modules)
                least[name][which] = min(one, least[name].get(which, one))
    return least


def _imported(folder: Path, modules: str) -> list[float]:
    paths = [str(folder / package) for package in _PACKAGES]
    apart = (folder / "api" / "clipwarden_api" / "answering.py").exists()
    gateway = "clipwarden_api.answering" if apart else "clipwarden_api.app"
    program = _PROGRAM.format(paths=paths, modules=modules.format(gateway=gateway))
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, env={**os.environ})
    figures: list[float] = json.loads(told.stdout)
    return [round(figure) for figure in figures]


def _table(found: Mapping[str, Mapping[str, Any]], folders: list[str]) -> str:
    units = ("cpu, ms", "modules", "memory, MiB")
    head = ["what is imported", *(f"{unit}, {which}" for unit in units for which in folders)]
    return report.table(
        head, [(name, *(each[which][place] for place in range(3) for which in folders)) for name, each in found.items()]
    )


if __name__ == "__main__":
    main()
