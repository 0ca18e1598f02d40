"""What polling can reach at best: Get calls against idle slots, computed, for prices of a look.

``python -m bench.looks`` lets the rule of ``clipwarden.job_times`` look at the jobs of ``bench.workload``. Nothing runs
and no call takes any time, so that this is the bound for whatever runs: the times of jobs are drawn by chance, and no
schedule of looks knows them.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench import report, workload
from bench.workload import Video
from clipwarden.job_times import JobTimes

_VIDEOS, _LEARNED = 4000, 1000
_PRICES = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    looks: int
    late: float
    seconds: float


def main() -> None:
    """Compute and print."""
    print(table())


def table() -> str:
    """Return one row per price."""
    wanted = workload.videos(_VIDEOS, compression=1)
    return report.table(
        ("price of a look, s", "Gets per job", "slots used", "delay median"),
        [(price, *_figures(_watched(wanted, price))) for price in _PRICES],
    )


def _figures(seen: Sequence[_Seen]) -> tuple[str, str, str]:
    used, idle = sum(one.seconds for one in seen), sum(one.late for one in seen)
    delay = statistics.median(one.late / one.seconds for one in seen)
    looks = sum(one.looks for one in seen) / len(seen)
    return f"{looks:.1f}", f"{used / (used + idle):.1%}", f"{delay:.1%}"


def _watched(wanted: Sequence[Video], price: float) -> list[_Seen]:
    """Look at every job until its end, learning from each, and return those after the first thousand."""
    known = JobTimes.first(0.0, 1.0, length=wanted[0].length)
    seen = []
    for video in wanted:
        looks, before, age = 0, 0.0, 0.0
        while age * video.length < video.seconds:
            before, age, looks = age, known.next_look(age, price=price / video.length), looks + 1
            age = min(age, before + 60 / video.length) if math.isinf(age) else age
        known = known.learned(before, age, length=video.length)
        seen.append(_Seen(looks=looks, late=age * video.length - video.seconds, seconds=video.seconds))
    return seen[_LEARNED:]


if __name__ == "__main__":
    main()
