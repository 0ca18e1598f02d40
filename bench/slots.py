"""How full the slots are: the same videos under clipwarden and under what others do, against the scripted endpoint.

``python -m bench.slots`` runs the real worker processes on a real Redis and a real database, in compressed time (see
``bench.workload`` and ``bench.site``), and prints a table and JSON. clipwarden's videos are inserted as probed rows, so
that admission and polling are measured and not the decoder. Costs of this machine are not compressed: a tenth of a
second here stands for a tenth times the compression, so the figures are worse than they would be in real time.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from statistics import fmean

import sqlalchemy as sa

from bench import afternoon, baselines, figures, postgres, report, site, workload
from bench.rival import Rival
from bench.workload import Video
from clipwarden.moderation import Stage, Status
from clipwarden.store import schema
from clipwarden.store.engine import read
from clipwarden_local.stack import Stack
from clipwarden_workers.rekognition import Rekognition

#: Brings all videos to their verdicts, and returns when each came.
Strategy = Callable[[Stack, Sequence[Video], float], Mapping[str, float]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.slots", description=__doc__)
    parser.add_argument("--videos", type=int, default=400, help="default %(default)s")
    parser.add_argument("--compression", type=float, default=10, help="default %(default)s")
    arguments = parser.parse_args()
    with postgres.running() as server:
        found = measure(arguments.videos, arguments.compression, lambda: postgres.database(server))
    print(report.slots_table(found))
    print(json.dumps([asdict(one) for one in found], indent=2))


def measure(videos: int, compression: float, new_database: Callable[[], str]) -> list[figures.SlotFigures]:
    """Run every strategy, one after the other, each on fresh servers."""

    def run(name: str, strategy: Strategy, *, database_url: str | None = None, shared: bool = False) -> None:
        found.append(_run(name, strategy, videos, compression, database_url=database_url, shared=shared))
        print(found[-1], file=sys.stderr)

    found: list[figures.SlotFigures] = []
    run("clipwarden, polling, PostgreSQL", _clipwarden, database_url=new_database())
    run("clipwarden, polling, SQLite", _clipwarden)
    run(
        "clipwarden, polling, PostgreSQL, 5 slots taken at random",
        _clipwarden,
        database_url=new_database(),
        shared=True,
    )
    run("an actor per video, retried with backoff, polling every 10 s", _afternoon)
    run("a scheduler every 2 minutes, until refused", _periodic)
    run("the oldest on each completion, 1 % of messages lost", _on_completion)
    return found


def _run(
    name: str, strategy: Strategy, count: int, compression: float, *, database_url: str | None, shared: bool
) -> figures.SlotFigures:
    wanted = workload.videos(count, compression=compression)
    with ExitStack() as opened:
        stack = opened.enter_context(site.running(compression=compression, database_url=database_url))
        bucket = site.bucket(stack)
        workload.put(bucket, wanted)
        foreign: Mapping[str, float] = {}
        if shared:
            mean = fmean(video.seconds for video in wanted)
            rekognition = Rekognition(stack.settings().rekognition)
            rival = Rival(rekognition, bucket, mean_seconds=mean, pause=1 / compression)
            foreign = opened.enter_context(rival).jobs
        verdicts = strategy(stack, wanted, compression)
        return figures.measure(
            name,
            wanted,
            calls=site.journal(stack),
            verdicts=verdicts,
            foreign=foreign,
            redis_peak_mb=site.redis_mb(stack, peak=True),
            compression=compression,
        )


def _patience(wanted: Sequence[Video]) -> float:
    """Return the seconds after which what is not decided counts as never decided."""
    return 30 + 5 * workload.list_schedule(wanted, site.SLOTS)


def _clipwarden(stack: Stack, wanted: Sequence[Video], _compression: float) -> Mapping[str, float]:
    with site.engine(stack) as engine:
        workload.queue(engine, wanted, bucket=stack.settings().media.bucket, account="bench")
        site.workers(stack)
        site.until(lambda: len(_decided(engine)) == len(wanted), within=_patience(wanted))
        return _decided(engine)


def _decided(engine: sa.Engine) -> dict[str, float]:
    """Return when each video was decided; an abort is no verdict."""
    rows = schema.moderations.c
    ended = sa.select(rows.id, rows.decided_at).where(rows.stage == Stage.DECIDED, rows.status != Status.ABORTED)
    with read(engine) as conn:
        return {row.id: row.decided_at.timestamp() for row in conn.execute(ended)}


def _afternoon(stack: Stack, wanted: Sequence[Video], compression: float) -> Mapping[str, float]:
    sender = afternoon.Afternoon(stack.settings(), compression)
    sender.submit(wanted)
    for _ in range(2):
        site.start(stack, "bench.afternoon", str(compression))
    site.until(lambda: len(afternoon.verdicts(stack.redis_url)) == len(wanted), within=_patience(wanted))
    return afternoon.verdicts(stack.redis_url)


def _desk(stack: Stack, compression: float) -> baselines.Desk:
    settings = stack.settings()
    pause = 1 / (site.RATE * compression)
    return baselines.Desk(Rekognition(settings.rekognition), settings.media.bucket, pause=pause)


def _periodic(stack: Stack, wanted: Sequence[Video], compression: float) -> Mapping[str, float]:
    desk = _desk(stack, compression)
    baselines.periodic(desk, wanted, period=baselines.PERIOD / compression)
    return desk.verdicts


def _on_completion(stack: Stack, wanted: Sequence[Video], compression: float) -> Mapping[str, float]:
    desk = _desk(stack, compression)
    baselines.on_completion(desk, wanted, slots=site.SLOTS)
    return desk.verdicts


if __name__ == "__main__":
    main()
