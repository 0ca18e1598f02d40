"""What the store's commonest steps cost in processor time, beside the driver that executes the same statements.

``python -m bench.steps`` takes the least of many on a SQLite file, without the commits. ``--beside FOLDER`` measures
another checkout of clipwarden in the same turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Connection

from bench import report, workload
from clipwarden import ids
from clipwarden.moderation import DeliveryStage, EndpointState, Stage
from clipwarden.settings import CallbackSettings, DatabaseSettings
from clipwarden.store import endpoint_states, leases, migrating, pools, rows, schema, stretches
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine, write
from clipwarden_workers import tasks

_TURNS, _ROUNDS, _EACH = 5, 10, 20
_HERE = Path(__file__).parents[1]
_PACKAGES = ("shared", "workers", "api", "local")
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_LIMITS = tasks.limits(CallbackSettings(endpoint_rate=0))
_STAGES = [stage for stage in Stage if stage is not Stage.DECIDED]

Step = Callable[[Connection], object]


def main() -> None:
    """Measure, print, keep and publish; ``--here`` measures this checkout once, and prints what it found."""
    parser = argparse.ArgumentParser(prog="python -m bench.steps", description=__doc__)
    parser.add_argument("--beside", type=Path, help="another checkout, measured in the same turns")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure()))
        return
    folders = {"now": _HERE} | ({"before": arguments.beside} if arguments.beside is not None else {})
    found = _in_turns(folders)
    section = _table(found, list(folders))
    print(section)
    report.keep("steps", {"on": report.machine(), "ms, and of the driver": found})
    report.publish({"steps": section})


def measure() -> dict[str, tuple[float, float]]:
    """Return the milliseconds of each step, and those of the driver."""
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder:
        engine = create_engine(DatabaseSettings(url=SecretStr(f"sqlite:///{folder}/bench.db")))
        migrating.upgrade(engine)
        with write(engine) as conn:
            asset, _ = workload.pattern(conn, DatabaseClock(engine), "bucket", "bench")
            pools.ensure(conn, "bench", 20, _NOW)
            state = _callback(conn, asset["account_id"])
            found = {name: _timed(conn, step) for name, step in _steps(asset, state).items()}
        engine.dispose()
    return found


def _callback(conn: Connection, account_id: str) -> EndpointState:
    """Let one callback wait, and return how its endpoint fares."""
    state = endpoint_states.expect(conn, account_id, "https://127.0.0.1/", due_at=_NOW, now=_NOW)
    values: dict[str, Any] = {"account_id": account_id, "event": "bench", "sequence": 0, "url": "-", "body": "-"}
    values |= {"stage": DeliveryStage.WAITING, "due_at": _NOW, "fence": 0, "attempt": 0, "created_at": _NOW}
    waiting = {**values, "id": ids.new_id(), "endpoint_state_id": state.id, "updated_at": _NOW}
    conn.execute(sa.insert(schema.deliveries), waiting)
    return state


def _steps(asset: Mapping[str, Any], state: EndpointState) -> dict[str, Step]:
    def insert(conn: Connection) -> object:
        fresh = ids.new_id()
        return rows.insert_unless_present(conn, schema.assets, {**asset, "id": fresh, "public_id": fresh})

    def change(conn: Connection) -> object:
        values: dict[str, Any] = {
            "stage": Stage.ANALYSING,
            "due_at": _NOW,
            "job_id": "x",
            "started_at": _NOW,
            "looks": 0,
        }
        return leases.advance(conn, schema.moderations, ids.new_id(), fence=1, now=_NOW, **values)

    def look(conn: Connection) -> object:
        return leases.due(conn, schema.moderations, now=_NOW, until=_NOW, limit=50, stages=_STAGES)

    def offer(conn: Connection) -> object:
        return pools.admit(conn, "bench", now=_NOW, until=_NOW)

    def lend(conn: Connection) -> object:
        [due] = endpoint_states.hand_out(conn, state, _LIMITS, now=_NOW, until=_NOW)
        taken = stretches.take(conn, due.id, fence=due.fence, until=_NOW)
        held = stretches.held(conn, taken)
        stretches.give_back(conn, held)
        return held

    return {
        "an asset comes in": insert,
        "a moderation moves on": change,
        "a look for due moderations": look,
        "free slots that nobody waits for": offer,
        "a callback is handed out, taken, and given back": lend,
    }


def _timed(conn: Connection, step: Step) -> tuple[float, float]:
    """Return the least milliseconds of a step, and of the driver with its statements."""
    asked: list[tuple[str, Any]] = []

    def note(*event: Any) -> None:
        asked.append((event[2], event[3]))

    sa.event.listen(conn, "before_cursor_execute", note)
    step(conn)
    sa.event.remove(conn, "before_cursor_execute", note)
    raw = conn.connection.cursor()

    def bare(_: Connection) -> None:
        for statement, parameters in asked:
            raw.execute(statement, parameters)
            raw.fetchall()

    return _least(conn, step), _least(conn, bare)


def _least(conn: Connection, step: Step) -> float:
    def one() -> float:
        began = time.thread_time()
        for _ in range(_EACH):
            step(conn)
        return (time.thread_time() - began) / _EACH * 1000

    return min(one() for _ in range(_ROUNDS))


def _in_turns(folders: Mapping[str, Path]) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(_TURNS):
        for which, folder in folders.items():
            path = os.pathsep.join(str(folder / package) for package in _PACKAGES)
            argv = [sys.executable, "-m", "bench.steps", "--here"]
            told = subprocess.run(
                argv, cwd=_HERE, env={**os.environ, "PYTHONPATH": path}, check=True, stdout=subprocess.PIPE
            )
            for name, (ours, bare) in json.loads(told.stdout).items():
                best = found.setdefault(name, {}).setdefault(which, [ours, bare])
                best[:] = [round(min(pair), 3) for pair in zip(best, (ours, bare), strict=True)]
    return found


def _table(found: Mapping[str, Mapping[str, list[float]]], folders: list[str]) -> str:
    head = ["a step", *(f"cpu ms, {which}" for which in folders), "the driver, ms", "now, to the driver"]
    return report.table(
        head,
        [
            (name, *(each[which][0] for which in folders), each["now"][1], round(each["now"][0] / each["now"][1], 1))
            for name, each in found.items()
        ],
    )


if __name__ == "__main__":
    main()
