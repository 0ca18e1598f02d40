"""What a long backlog does to others and to Redis: a small account behind a large one, and memory, on PostgreSQL.

``python -m bench.backlog`` queues many videos of one account, then ten of another, and tells how long those waited;
then the backlog grows, and Redis' memory is read while its jobs run. All jobs take the same time.
"""

import argparse
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bench import postgres, report, site, workload
from bench.workload import Video
from clipwarden import ids
from clipwarden.moderation import Stage
from clipwarden.store import schema
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read
from clipwarden_local.stack import Stack

_COMPRESSION = 10.0
#: Seconds that every job takes, compressed.
_JOB = 3.0
#: Seconds of every video, compressed.
_LENGTH = 7.5
_KEY = "bench/one.mp4"
_FEW = 10
_PATIENCE = 120.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.backlog", description=__doc__)
    parser.add_argument("--behind", type=int, default=10_000, help="videos before the ten; default %(default)s")
    parser.add_argument("--rows", type=int, default=100_000, help="backlog for the memory; default %(default)s")
    arguments = parser.parse_args()
    with postgres.running() as server:
        found = measure(arguments.behind, arguments.rows, lambda: postgres.database(server))
    print(report.pairs_table(found))
    print(json.dumps(found, indent=2))


def measure(behind: int, rows: int, new_database: Callable[[], str]) -> dict[str, Any]:
    """Return waits in job times, and memory in megabytes."""
    with (
        site.running(compression=_COMPRESSION, database_url=new_database()) as stack,
        stack.engine() as engine,
    ):
        workload.script(site.bucket(stack), _KEY, _JOB)
        empty = site.redis_mb(stack)
        _queue(stack, engine, "large", behind)
        site.workers(stack)
        _decide(engine, 2 * site.SLOTS)
        waits = _few(stack, engine)
        _queue(stack, engine, "large", rows - behind)
        _decide(engine, _decided(engine) + 2 * site.SLOTS)
        return {
            "videos_before_the_ten": behind,
            **waits,
            "first_come_first_served_would_take_job_times": behind / site.SLOTS,
            "backlog_rows": _backlog(engine),
            "redis_empty_mb": empty,
            "redis_with_backlog_mb": site.redis_mb(stack),
            "redis_peak_mb": site.redis_mb(stack, peak=True),
        }


def _queue(stack: Stack, engine: sa.Engine, account: str, count: int) -> list[str]:
    wanted = [Video(id=ids.new_id(), length=_LENGTH, seconds=_JOB) for _ in range(count)]
    workload.queue(engine, wanted, stack.settings(), account=account, key=_KEY)
    return [video.id for video in wanted]


def _few(stack: Stack, engine: sa.Engine) -> dict[str, float]:
    """Queue the small account's videos, and return when the last of them began and was decided, in job times."""
    began = DatabaseClock(engine).now()
    few = _queue(stack, engine, "small", _FEW)
    rows = schema.moderations.c
    last = sa.select(sa.func.max(rows.started_at), sa.func.max(rows.decided_at), sa.func.count(rows.decided_at))
    last = last.where(rows.id.in_(few))

    def reading() -> tuple[datetime, datetime, int]:
        with read(engine) as conn:
            started, decided, count = conn.execute(last).one()
            return started, decided, count

    if not site.until(lambda: reading()[2] == _FEW, within=_PATIENCE):
        raise SystemExit("the small account was not served in time")
    started, decided, _ = reading()
    return {
        "last_of_ten_began_after_job_times": round((started - began).total_seconds() / _JOB, 2),
        "last_of_ten_decided_after_job_times": round((decided - began).total_seconds() / _JOB, 2),
    }


def _decide(engine: sa.Engine, count: int) -> None:
    """Wait until so many are decided."""
    if not site.until(lambda: _decided(engine) >= count, within=_PATIENCE):
        raise SystemExit("the backlog is not worked on")


def _decided(engine: sa.Engine) -> int:
    return _counted(engine, schema.moderations.c.stage == Stage.DECIDED)


def _backlog(engine: sa.Engine) -> int:
    return _counted(engine, schema.moderations.c.stage == Stage.QUEUED)


def _counted(engine: sa.Engine, which: sa.ColumnElement[bool]) -> int:
    with read(engine) as conn:
        counted: int = conn.execute(sa.select(sa.func.count()).where(which)).scalar_one()
        return counted


if __name__ == "__main__":
    main()
