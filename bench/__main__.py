"""``python -m bench [--quick]``: measure all of it, and publish the figures in ``bench/README.md`` and ``results``."""

import argparse
import time
from dataclasses import asdict, dataclass
from functools import partial

from bench import backlog, looks, postgres, report, slots, throughput


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    videos: int  #: For clipwarden on PostgreSQL.
    fewer_videos: int  #: For all other strategies.
    compression: float
    messages: int
    instant: int  #: Videos with jobs that take no time.
    behind: int
    rows: int


_WHOLE = Size(videos=400, fewer_videos=100, compression=20, messages=5000, instant=200, behind=10_000, rows=100_000)
_QUICK = Size(videos=100, fewer_videos=60, compression=40, messages=1000, instant=100, behind=1000, rows=10_000)


def main() -> None:
    """Measure, keep and publish; a quick run is kept beside the whole one's figures and not published."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about three minutes' worth, printed but not published")
    quick = parser.parse_args().quick
    size = _QUICK if quick else _WHOLE
    began = time.monotonic()
    with postgres.running() as server:
        new_database = partial(postgres.database, server)
        full = slots.measure(size.videos, size.fewer_videos, size.compression, new_database)
        rates = throughput.measure(size.messages, size.instant, new_database)
        crowd = backlog.measure(size.behind, size.rows, new_database)
    minutes = {"minutes": round((time.monotonic() - began) / 60, 1)}
    sections = {
        "slots": report.slots_table(full),
        "looks": looks.table(),
        "throughput": report.pairs_table(rates),
        "backlog": report.pairs_table(crowd),
        "machine": report.pairs_table({**report.machine(), **asdict(size), **minutes}),
    }
    print("\n\n".join(sections.values()))
    prefix = "quick-" if quick else ""
    measured = {"on": report.machine(), "size": asdict(size), **minutes}
    report.keep(f"{prefix}slots", {**measured, "strategies": [asdict(one) for one in full]})
    report.keep(f"{prefix}throughput", {**measured, **rates})
    report.keep(f"{prefix}backlog", {**measured, **crowd})
    if not quick:
        report.publish(sections)


if __name__ == "__main__":
    main()
