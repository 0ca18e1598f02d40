"""How long the console takes to count what there is by kind and status, beside counting all of it.

``python -m bench.counts`` puts 200,000 moderations into each database, asks in turns for the counts as the console
does and for exact ones, and prints the medians in milliseconds.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from bench import library, postgres, report, site
from clipwarden.store import queues
from clipwarden.store.engine import read
from clipwarden.store.schema import moderations

_MODERATIONS, _TIMES = 200_000, 25
_c = moderations.c


def main() -> None:
    """Measure, print, keep and publish; another number of moderations than the usual is only printed."""
    parser = argparse.ArgumentParser(prog="python -m bench.counts", description=__doc__)
    parser.add_argument("--moderations", type=int, default=_MODERATIONS, help="default %(default)s")
    count = parser.parse_args().moderations
    found = measure("SQLite", count, None)
    with postgres.running() as server:
        found |= measure("PostgreSQL", count, postgres.database(server))
    section = report.pairs_table({**found, **report.machine(), "moderations": count})
    print(section)
    if count == _MODERATIONS:
        report.keep("counts", {"on": report.machine(), "moderations": count, **found})
        report.publish({"counts": section})


def measure(database: str, count: int, database_url: str | None) -> dict[str, Any]:
    """Return the medians on one database, and what share of the exact counts' time the others take."""
    with site.running(database_url=database_url) as stack, stack.engine() as engine:
        library.load(stack, engine, count)
        times = _timed(engine, {"counted as the console does": _as_the_console, "counted exactly": _exactly})
    figures: dict[str, Any] = {f"{database}: {name}, ms": round(taken, 1) for name, taken in times.items()}
    capped, exact = times.values()
    return figures | {f"{database}: share of that": round(capped / exact, 3)}


def _timed(engine: Engine, ways: Mapping[str, Callable[[Connection], object]]) -> dict[str, float]:
    """Return the median of each way, which take turns, so that whatever else goes on meets them alike."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_TIMES):
        for name, way in ways.items():
            began = time.perf_counter()
            with read(engine) as conn:
                way(conn)
            taken[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(each) for name, each in taken.items()}


def _as_the_console(conn: Connection) -> object:
    return queues.counts(conn, None)


def _exactly(conn: Connection) -> object:
    query = sa.select(_c.kind, _c.status, sa.func.count(), sa.func.min(_c.created_at))
    return conn.execute(query.where(_c.superseded.is_(False)).group_by(_c.kind, _c.status)).all()


if __name__ == "__main__":
    main()
