"""The nemesis: which torment comes when follows from the seed alone."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.torments import LASTS, TORMENTS, End
from chaos.world import Plan, World

#: Seconds between the beginnings of two torments, at least and at most.
_BETWEEN = (0.4, 2.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One torment to come."""

    at: float  #: Seconds from the beginning.
    name: str
    lasts: float  #: Seconds, if it is of those that last.
    seed: str  #: Of what it chooses.


def blows(plan: Plan) -> list[Blow]:
    """Return all blows, in their order."""
    chance = random.Random(plan.seed)
    names = [name for name in TORMENTS if plan.database == "postgresql" or name != "restart-database"]
    weights = [TORMENTS[name][1] for name in names]
    found: list[Blow] = []
    at = chance.uniform(*_BETWEEN)
    while at < plan.seconds:
        [name] = chance.choices(names, weights)
        found.append(Blow(at=at, name=name, lasts=chance.uniform(*LASTS), seed=f"{plan.seed} {len(found)}"))
        at += chance.uniform(*_BETWEEN)
    return found


@dataclass(slots=True, kw_only=True)
class Nemesis:
    """Strikes the world, and lets it start again what has died."""

    world: World
    say: Callable[[str], None]
    _ends: list[tuple[float, End]] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)  #: How often, by name.

    def run(self) -> None:
        """Strike until the time is up, then end all that lasts."""
        began = time.monotonic()
        coming = blows(self.world.plan)
        while (passed := time.monotonic() - began) < self.world.plan.seconds:
            self.world.tend()
            self._end(passed)
            while coming and coming[0].at <= passed:
                self._strike(coming.pop(0), passed)
            time.sleep(0.05)
        self._end(float("inf"))

    def calm(self, work: Callable[[], None]) -> None:
        """Let something be done in another thread, while what has died starts again."""
        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            self.world.tend()
            thread.join(0.1)

    def _strike(self, blow: Blow, passed: float) -> None:
        torment, _ = TORMENTS[blow.name]
        self.say(f"{passed:5.1f} s  {blow.name}")
        end = torment(self.world, random.Random(blow.seed))
        if blow.name != "fill-disk" or self.world.mounted:
            self.struck[blow.name] = self.struck.get(blow.name, 0) + 1
        if end is not None:
            self._ends.append((passed + blow.lasts, end))

    def _end(self, passed: float) -> None:
        due = [end for at, end in self._ends if at <= passed]
        self._ends = [(at, end) for at, end in self._ends if at > passed]
        for end in due:
            end()
