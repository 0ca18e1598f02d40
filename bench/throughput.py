"""How many videos go through, on PostgreSQL, beside what bare Dramatiq does on the same machine in the same minutes.

``python -m bench.throughput`` measures how fast enqueued videos become durable rows (two worker processes that serve
``intake``), and how fast they come to their verdicts where jobs take no time (two processes): from the client on,
each video decoded once by the probe in a process of its own, and from rows on that count as probed. All is enqueued
before the processes start, and counted from the first that is done.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from bench import postgres, report, site, workload
from bench.chain import HOPS, Chain
from bench.workload import Video
from clipwarden import Client, ids
from clipwarden.media.opening import open_store
from clipwarden.moderation import Location, Stage
from clipwarden.store import schema
from clipwarden.store.engine import read
from clipwarden_local.demo import samples
from clipwarden_local.stack import Stack

_PATIENCE = 300.0
_PROCESSES = 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--messages", type=int, default=5000, help="default %(default)s")
    parser.add_argument("--videos", type=int, default=500, help="default %(default)s")
    arguments = parser.parse_args()
    with postgres.running() as server:
        found = measure(arguments.messages, arguments.videos, lambda: postgres.database(server))
    print(report.pairs_table(found))
    print(json.dumps(found, indent=2))


def measure(messages: int, videos: int, new_database: Callable[[], str]) -> dict[str, Any]:
    """Return rates per second, and their ratios to bare Dramatiq."""
    with site.running(limited=False, database_url=new_database()) as stack:
        enqueued, durable = _rows(stack, messages)
    with site.running() as stack:
        bare_enqueued, chains = _bare(stack, messages)
    with site.running(limited=False, database_url=new_database()) as stack:
        verdicts = verdicts_decoded(stack, videos)
    with site.running(limited=False, database_url=new_database()) as stack:
        probed = verdicts_probed(stack, videos)
    return {
        "client_enqueues_per_s": round(enqueued),
        "durable_rows_per_s": round(durable),
        "bare_enqueues_per_s": round(bare_enqueued),
        "durable_rows_to_bare_enqueues": round(durable / bare_enqueued, 3),
        "verdicts_of_instant_jobs_per_s": round(verdicts, 1),
        f"bare_chains_of_{HOPS}_hops_per_s": round(chains),
        "verdicts_to_bare_chains": round(verdicts / chains, 3),
        "verdicts_of_probed_rows_per_s": round(probed, 1),
        "verdicts_of_probed_rows_to_bare_chains": round(probed / chains, 3),
    }


def _rows(stack: Stack, count: int) -> tuple[float, float]:
    """Return the rates at which videos are enqueued and at which they become rows."""
    with stack.engine() as engine:
        enqueued = _enqueue(stack, f"s3://{stack.settings().media.bucket}/none.mp4", count)
        site.workers(stack, _PROCESSES, queues="intake")
        return enqueued, _rate(lambda: _count(engine), count)


def _bare(stack: Stack, count: int) -> tuple[float, float]:
    """Return the rates at which messages are enqueued and at which they pass the chain."""
    chain = Chain(stack.redis_url)
    began = time.perf_counter()
    chain.send(count)
    enqueued = count / (time.perf_counter() - began)
    for _ in range(_PROCESSES):
        site.start(stack, "bench.chain")
    return enqueued, _rate(chain.done, count)


def verdicts_decoded(stack: Stack, count: int) -> float:
    """Return the rate of verdicts."""
    clip = min(samples(), key=lambda path: path.stat().st_size)
    media = stack.settings().media
    source = Location(bucket=media.bucket, key="bench/clip.mp4")
    with clip.open("rb") as stream:
        open_store(media).put(source, stream)
    with stack.engine() as engine:
        _enqueue(stack, str(source), count)
        site.workers(stack, _PROCESSES)
        return _rate(lambda: _count(engine, Stage.DECIDED), count)


def verdicts_probed(stack: Stack, count: int) -> float:
    """Return the rate of verdicts where each video is probed already."""
    wanted = [Video(id=ids.new_id(), length=1, seconds=0) for _ in range(count)]
    workload.put(site.bucket(stack), wanted)
    with stack.engine() as engine:
        workload.queue(engine, wanted, stack.settings(), account="bench")
        site.workers(stack, _PROCESSES)
        return _rate(lambda: _count(engine, Stage.DECIDED), count)


def _enqueue(stack: Stack, source: str, count: int) -> float:
    """Enqueue so many videos while nothing else runs, and return the rate."""
    with Client(stack.redis_url) as client:
        began = time.perf_counter()
        for _ in range(count):
            client.enqueue(source)
        return count / (time.perf_counter() - began)


def _rate(reading: Callable[[], int], wanted: int) -> float:
    """Return how many per second there were from the first to the last of them: starting up does not count."""
    _reach(reading, 1)
    began, first = time.perf_counter(), reading()
    _reach(reading, wanted)
    return (wanted - first) / (time.perf_counter() - began)


def _count(engine: sa.Engine, stage: Stage | None = None) -> int:
    rows = sa.select(sa.func.count()).select_from(schema.moderations)
    if stage is not None:
        rows = rows.where(schema.moderations.c.stage == stage)
    with read(engine) as conn:
        counted: int = conn.execute(rows).scalar_one()
        return counted


def _reach(reading: Callable[[], int], wanted: int) -> None:
    if not site.until(lambda: reading() >= wanted, within=_PATIENCE, every=0.02):
        raise SystemExit(f"only {reading()} of {wanted} within {_PATIENCE:.0f} s")


if __name__ == "__main__":
    main()
