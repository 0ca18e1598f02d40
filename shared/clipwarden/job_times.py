"""How long jobs take, learned from those that have ended, and when to look at one that runs.

Ages are in units of the video's length, in classes that grow by a fifth each. Of a job it is only known between which
two looks it ended, so it counts as ending where others ended within that time.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

#: The classes' lowest bound, their growth, and their number; what takes longer counts as of the last.
_LOWEST, _GROWTH, _CLASSES = 0.02, 1.2, 38
_BOUNDS = (0.0, *(_LOWEST * _GROWTH**number for number in range(1, _CLASSES + 1)))
#: So many of the last jobs count, or about so many.
_REMEMBERED = 100
#: So many jobs, of those that are known and these, may take any time.
_ANY = 0.1
#: Least time within which a job ends.
_INSTANT = 0.001
#: Least number of looks, beside the one that finds the end, that a price is set for.
_FEWEST = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    """What share of jobs ends in each class, the mean of their seconds, and how many are known."""

    weights: tuple[float, ...]
    seconds: float
    jobs: int = 0

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> Self | None:
        """Return what ``kept`` says; ``None`` where nothing is kept, or for other classes than these."""
        if kept is None or len(kept["weights"]) != _CLASSES:
            return None
        return cls(weights=tuple(kept["weights"]), seconds=kept["seconds"], jobs=kept["jobs"])

    @classmethod
    def first(cls, after: float, until: float, *, length: float) -> Self:
        """Return what one job tells, that ended between two ages; ``length`` is its video's, in seconds."""
        return cls(weights=(1 / _CLASSES,) * _CLASSES, seconds=0.0).learned(after, until, length=length)

    def learned(self, after: float, until: float, *, length: float) -> Self:
        """Return what is known with one more job."""
        after, jobs = min(after, _BOUNDS[-2]), min(self.jobs + 1, _REMEMBERED)
        found = [part.weight for part in self._parts(after, max(until, after + _INSTANT))]
        mixed = [old + (new / sum(found) - old) / jobs for old, new in zip(self.weights, found, strict=True)]
        took = (after + until) / 2 * length
        return type(self)(
            weights=tuple(round(weight, 6) for weight in mixed),
            seconds=self.seconds + (took - self.seconds) / jobs,
            jobs=jobs,
        )

    def next_look(self, age: float, *, price: float) -> float:
        """Return the age at which to look again at a job of this age that runs; infinite when it is as good as gone.

        ``price`` is what one look costs, as the time of an idle slot. Looks are closest where an end is most likely:
        an interval between two is the square root of twice the price over the rate at which such jobs end. That keeps
        the sum of looks and idle time least, as Barlow and Proschan have shown of inspections.
        """
        due = 1.0
        for part in self._parts(age, math.inf):
            if not part.weight:
                continue
            looks = math.sqrt(part.weight * part.width / (2 * price * part.running))
            if looks >= due:
                return part.begin + part.width * due / looks
            due -= looks
        return math.inf

    def price_of(self, looks: float) -> float:
        """Return the price at which a job costs so many looks on average, the one that finds its end included."""
        weighed = sum(math.sqrt(part.weight * part.width * part.running) for part in self._parts(0, math.inf))
        return (weighed / max(_FEWEST, looks - 1)) ** 2 / 2

    @property
    def mean(self) -> float:
        """Return the mean age at which jobs end."""
        return sum(part.weight * (part.begin + part.width / 2) for part in self._parts(0, math.inf))

    def _parts(self, after: float, until: float) -> Iterator["_Part"]:
        """Yield each class' part between two ages, also where that is empty."""
        any_time = _ANY / (self.jobs + _ANY)
        weights = [(1 - any_time) * weight + any_time / _CLASSES for weight in self.weights]
        parts = []
        for weight, low, high in zip(weights, _BOUNDS, _BOUNDS[1:], strict=False):
            begin, end = max(low, after), min(high, until)
            width = max(0.0, end - begin)
            parts.append((begin, width, weight * width / (high - low)))
        running = sum(weight for *_, weight in parts)
        for begin, width, weight in parts:
            yield _Part(begin=begin, width=width, weight=weight, running=max(running - weight / 2, weight / 2))
            running -= weight


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    begin: float
    width: float
    weight: float  #: Share of jobs that end in it.
    running: float  #: Share of jobs that run on in its middle.
