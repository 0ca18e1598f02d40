"""How full the slots are: the same videos under clipwarden and under what others do, against the scripted endpoint.

``python -m bench.slots`` runs the real worker processes on a real Redis and a real database, in compressed time (see
``bench.workload`` and ``bench.site``), and prints a table and JSON. clipwarden's videos are inserted as probed rows, so
that admission and polling are measured and not the decoder. Costs of this machine are not compressed: a tenth of a
second here stands for a tenth times the compression, so the figures are worse than they would be in real time.
"""

import argparse
import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import fmean

import sqlalchemy as sa

from bench import afternoon, aws, baselines, figures, postgres, report, site, workload
from bench.rival import Rival
from bench.workload import Video
from clipwarden.moderation import Stage, Status
from clipwarden.store import schema
from clipwarden.store.engine import read
from clipwarden_local.stack import Stack
from clipwarden_workers.rekognition import Rekognition

#: Brings all videos to their verdicts, and returns when each came.
Strategy = Callable[[Stack, Sequence[Video], float], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One strategy, and what it runs on."""

    name: str
    strategy: Strategy
    on_postgres: bool = False
    completions: bool = False  #: Whether jobs tell of their end, over SNS and SQS.
    shared: bool = False  #: Whether another client uses the quota.


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.slots", description=__doc__)
    parser.add_argument("--videos", type=int, default=400, help="default %(default)s")
    parser.add_argument("--fewer", type=int, default=100, help="for all but the first two; default %(default)s")
    parser.add_argument("--compression", type=float, default=20, help="default %(default)s")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the strategies that are run; all by default")
    arguments = parser.parse_args()
    with postgres.running() as server:
        found = measure(
            arguments.videos,
            arguments.fewer,
            arguments.compression,
            lambda: postgres.database(server),
            only=arguments.only,
        )
    print(report.slots_table(found))
    print(json.dumps([asdict(one) for one in found], indent=2))


def measure(
    videos: int,
    fewer: int,
    compression: float,
    new_database: Callable[[], str],
    *,
    only: Collection[int] | None = None,
) -> list[figures.SlotFigures]:
    """Run every strategy, one after the other, each on fresh servers; the first two with all videos."""
    found = []
    for number, run in enumerate(_RUNS):
        if only is None or number in only:
            database_url = new_database() if run.on_postgres else None
            found.append(_measured(run, videos if number < _LARGE else fewer, compression, database_url))
            print(found[-1], file=sys.stderr)
    return found


def _measured(run: _Run, count: int, compression: float, database_url: str | None) -> figures.SlotFigures:
    wanted = workload.videos(count, compression=compression)
    with ExitStack() as opened:
        channel = opened.enter_context(aws.channel()) if run.completions else None
        stack = opened.enter_context(site.running(compression=compression, database_url=database_url, channel=channel))
        workload.put(site.bucket(stack), wanted)
        foreign = opened.enter_context(_rival(stack, wanted, compression)).jobs if run.shared else {}
        verdicts = run.strategy(stack, wanted, compression)
        return figures.measure(
            run.name,
            wanted,
            calls=site.journal(stack),
            verdicts=verdicts,
            foreign=foreign,
            redis_peak_mb=site.redis_mb(stack, peak=True),
            compression=compression,
        )


def _rival(stack: Stack, wanted: Sequence[Video], compression: float) -> Rival:
    mean = fmean(video.seconds for video in wanted)
    rekognition = Rekognition(stack.settings().rekognition)
    return Rival(rekognition, site.bucket(stack), mean_seconds=mean, pause=1 / compression)


def _patience(wanted: Sequence[Video]) -> float:
    """Return the seconds after which what is not decided counts as never decided."""
    return 30 + 5 * workload.list_schedule(wanted, site.SLOTS)


def _clipwarden(stack: Stack, wanted: Sequence[Video], _compression: float) -> Mapping[str, float]:
    with stack.engine() as engine:
        workload.queue(engine, wanted, stack.settings(), account="bench")
        site.workers(stack)
        site.until(lambda: _ended(engine) == len(wanted), within=_patience(wanted), every=0.5)
        return _decided(engine)


def _ended(engine: sa.Engine) -> int:
    decided = sa.select(sa.func.count()).where(schema.moderations.c.stage == Stage.DECIDED)
    with read(engine) as conn:
        counted: int = conn.execute(decided).scalar_one()
        return counted


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


_RUNS = (
    _Run(name="clipwarden, polling, PostgreSQL", strategy=_clipwarden, on_postgres=True),
    _Run(name="clipwarden, completions, PostgreSQL", strategy=_clipwarden, on_postgres=True, completions=True),
    _Run(name="clipwarden, polling, SQLite", strategy=_clipwarden),
    _Run(
        name="clipwarden, polling, PostgreSQL, 5 slots taken at random",
        strategy=_clipwarden,
        on_postgres=True,
        shared=True,
    ),
    _Run(name="an actor per video, retried with backoff, polling every 10 s", strategy=_afternoon),
    _Run(name="a scheduler every 2 minutes, until refused", strategy=_periodic),
    _Run(name="the oldest on each completion, 1 % of messages lost", strategy=_on_completion),
)
#: Strategies, from the first, that are run with all videos.
_LARGE = 2


if __name__ == "__main__":
    main()
