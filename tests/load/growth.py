"""Whether something grows: the median of a run's second fifth beside the one of its last."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from load.gauges import Sample

#: By how much each may grow, whatever it is at first; in megabytes where it is memory. What is open while a video is
#: worked on comes and goes with how busy the machine is: the limits are far below what one leak in fifty videos makes.
LEAST = {
    "memory_mb": 8,
    "used_mb": 2,
    "threads": 16,
    "sockets": 16,
    "files": 24,
    "connections": 8,
    "keys": 16,
    "count": 12,
}
#: Or by this share of what it was, if that is more.
SHARE = 0.05
#: How far it may be above what it was at first, at any moment: however many videos wait, they do so in the database.
SWELL = {"used_mb": 16}
_FIFTHS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How one gauge went."""

    whose: str
    what: str
    first: float  #: At the very first look.
    fifths: tuple[float, ...]  #: The median of each fifth of the looks.
    most: float
    hours: float  #: From the middle of the second fifth to the middle of the last.

    @property
    def early(self) -> float:
        """Return what it was in the second fifth: what is made only once has been made."""
        return self.fifths[1]

    @property
    def late(self) -> float:
        """Return what it was in the last fifth."""
        return self.fifths[-1]

    @property
    def per_hour(self) -> float:
        """Return by how much it grows in an hour if it goes on."""
        return (self.late - self.early) / self.hours

    @property
    def limit(self) -> float:
        """Return how far it may have grown."""
        return max(LEAST[self.what], SHARE * self.early)

    @property
    def grows(self) -> bool:
        """Say whether it grew beyond its limit."""
        return self.late - self.early > self.limit

    @property
    def swells(self) -> bool:
        """Say whether it was ever higher than a backlog explains."""
        return self.what in SWELL and self.most - self.first > SWELL[self.what]

    def __str__(self) -> str:
        return (
            f"{self.whose} grows: {self.what} {self.early:.1f} → {self.late:.1f}, with a limit of {self.limit:.1f} more"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can carry."""
        rounded = {name: round(getattr(self, name), 2) for name in ("first", "most", "per_hour", "limit")}
        fifths = [round(one, 2) for one in self.fifths]
        return {"whose": self.whose, "what": self.what, "fifths": fifths} | rounded | {"grows": self.grows}


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """Return how every gauge went; as many samples as fifths are needed at least."""
    size = len(samples) // _FIFTHS
    # What does not divide is left out in the beginning.
    parts = [samples[len(samples) - size * left :][:size] for left in range(_FIFTHS, 0, -1)]
    hours = (_middle(parts[-1]) - _middle(parts[1])) / 3600
    return [
        Growth(
            whose=gauge[0],
            what=gauge[1],
            first=samples[0].values[gauge],
            fifths=tuple(statistics.median(one.values[gauge] for one in part) for part in parts),
            most=max(one.values[gauge] for one in samples),
            hours=hours,
        )
        for gauge in samples[0].values
    ]


def _middle(samples: Sequence[Sample]) -> float:
    return statistics.median(one.at for one in samples)
