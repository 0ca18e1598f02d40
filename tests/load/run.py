"""One run: what is sent, what is measured meanwhile, and what became of the promises."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from load.checks import Checker
from load.gauges import Gauges, Sample
from load.growth import LEAST, Growth, growths
from load.producers import Producers
from load.world import SLOW_MS

#: Videos that come before the gauges are looked at: whatever is made only once is there then.
_FIRST = 12
#: Seconds between two looks at the gauges: while so many videos are sent at least, and while fewer are.
_MANY, _LONG, _SHORT = 500, 5.0, 0.2
#: Seconds of a steady load after which nothing may grow any more; before, caches fill and pools open.
SETTLED = 300.0
_TELL_EVERY = 10.0
#: What only work under way needs: as little of it is left as there was before.
_OF_WORK = ("keys", "count")
#: Of the videos that were refused, so many are told.
_TOLD = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be sent."""

    videos: int
    rate: float | None = None  #: Videos per second; as fast as they are taken where there is none.
    within: float | None = None  #: Seconds after which no more are sent.

    @property
    def steady(self) -> bool:
        """Say whether it is a steady load that takes so long that nothing may grow."""
        return self.rate is not None and self.videos / self.rate >= SETTLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run has found."""

    plan: Plan
    broken: list[str]  #: Promises, in words; none is as it should be.
    figures: dict[str, Any]
    growths: list[Growth]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can carry."""
        found = {"plan": asdict(self.plan), "broken": self.broken, "figures": self.figures}
        return found | {"gauges": [one.to_dict() for one in self.growths]}


def run(producers: Producers, plan: Plan, say: Callable[[str], None]) -> Result:
    """Run a plan; those that follow each other in one world are checked and counted together."""
    world = producers.world
    checker = Checker(world=world, accepted=producers.accepted, say=say)
    producers.send(_FIRST - len(producers.accepted))
    checker.wait()
    gauges = Gauges(world=world, processes=world.processes(), every=_SHORT if plan.videos < _MANY else _LONG)
    with gauges.reading():
        sent_per_s = _send(producers, plan, checker)
        if plan.rate is None:
            checker.wait()
    checker.check()
    found = growths(gauges.samples)
    broken = [*producers.refused[:_TOLD], *world.ended(), *gauges.faults, *checker.broken]
    broken += [str(one) for one in found if plan.steady and one.grows]
    broken += [f"{one.whose} swells: {one.what} {one.first:.1f} → {one.most:.1f}" for one in found if one.swells]
    broken += _left(gauges.samples[0], gauges.look())
    figures = _figures(producers) | {"sent_per_s": sent_per_s} | checker.figures
    return Result(plan=plan, broken=broken, figures=figures, growths=found)


def _figures(producers: Producers) -> dict[str, Any]:
    return {
        "accepted": dict(Counter(sent.door for sent in producers.accepted)),
        f"statements_over_{SLOW_MS}_ms": len(producers.world.slow()),
        "cpus": os.cpu_count(),
        "load_of_the_last_15_minutes": round(os.getloadavg()[2], 1),
    }


def _send(producers: Producers, plan: Plan, checker: Checker) -> float:
    """Send all, telling how far it is, and return how many were taken in a second."""
    before, began = len(producers.accepted), time.monotonic()
    told = {"rate": plan.rate, "within": plan.within}
    thread = threading.Thread(target=producers.send, args=(plan.videos,), kwargs=told, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_TELL_EVERY)
        checker.tell()
    return round((len(producers.accepted) - before) / (time.monotonic() - began), 2)


def _left(before: Sample, after: Sample) -> list[str]:
    return [
        f"{whose} has {after.values[whose, what]:g} {what} at rest, and had {value:g} before"
        for (whose, what), value in before.values.items()
        if what in _OF_WORK and after.values[whose, what] > value + LEAST[what]
    ]
