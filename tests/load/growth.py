"""Whether something grows: the median of a run's second fifth beside the one of its last."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from load.gauges import Sample

#: By how much each may grow, whatever it is at first; in megabytes where it is memory. What is open while a video is
#: worked on comes and goes with how busy the machine is: the limits are far below what one leak in fifty videos makes.
LEAST = {
    "memory_mb": 8,
    "used_mb": 2,
    "threads": 8,
    "sockets": 16,
    "files": 24,
    "connections": 8,
    "keys": 16,
    "count": 12,
}
#: Or by this share of what it was, if that is more.
SHARE = 0.05
_FIFTHS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How one gauge went."""

    whose: str
    what: str
    first: float  #: At the very first look.
    early: float  #: Median of the second fifth: what is only made once has been made.
    late: float  #: Median of the last fifth.
    most: float
    per_hour: float  #: From ``early`` to ``late``, if it went on.

    @property
    def limit(self) -> float:
        """Return how far it may have grown."""
        return max(LEAST[self.what], SHARE * self.early)

    @property
    def grows(self) -> bool:
        """Say whether it grew beyond its limit."""
        return self.late - self.early > self.limit

    def __str__(self) -> str:
        return (
            f"{self.whose} grows: {self.what} {self.early:.1f} → {self.late:.1f}, with a limit of {self.limit:.1f} more"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can carry."""
        rounded = {key: round(value, 2) if isinstance(value, float) else value for key, value in asdict(self).items()}
        return rounded | {"limit": round(self.limit, 2), "grows": self.grows}


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """Return how every gauge went; two samples are needed at least."""
    fifth = max(1, len(samples) // _FIFTHS)
    early, late = samples[fifth : 2 * fifth], samples[-fifth:]
    hours = (_middle(late) - _middle(early)) / 3600
    found = []
    for gauge in samples[0].values:
        before, after = (statistics.median(one.values[gauge] for one in part) for part in (early, late))
        found.append(
            Growth(
                whose=gauge[0],
                what=gauge[1],
                first=samples[0].values[gauge],
                early=before,
                late=after,
                most=max(one.values[gauge] for one in samples),
                per_hour=(after - before) / hours,
            )
        )
    return found


def _middle(samples: Sequence[Sample]) -> float:
    return statistics.median(one.at for one in samples)
