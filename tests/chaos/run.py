"""One run: a world, its torments, and what became of the promises."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import scripting
from chaos import shown
from chaos.checks import Checker
from chaos.emptiness import empty
from chaos.human import Human
from chaos.nemesis import Nemesis
from chaos.producers import Producers
from chaos.shelf import Shelf
from chaos.shelf_calls import Calls
from chaos.witnesses import Witnesses
from chaos.world import Plan, World
from fixtures.clips import made_in

#: What videos show that have no script of their own: those that are uploaded.
_UPLOADS_SHOW = {"seconds": 0.5, "labels": [shown.ALCOHOL]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run has found."""

    plan: Plan
    broken: list[str]  #: Promises, in words; none is as it should be.
    figures: dict[str, Any]
    struck: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can carry."""
        named = {"seed": self.plan.seed, "seconds": self.plan.seconds, "database": self.plan.database}
        return named | {"skew": self.plan.skew, "broken": self.broken, "figures": self.figures, "struck": self.struck}


def run(plan: Plan, say: Callable[[str], None]) -> Result:
    """Run the plan; what it leaves in the plan's folder is for whoever looks for the reason."""
    began = time.monotonic()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # It tells of every request.
    with World(plan=plan) as world:
        scripting.order(world.stack.endpoint_url, script=_UPLOADS_SHOW)
        (plan.folder / "clips").mkdir()
        clip = made_in(plan.folder / "clips")("edge80")
        producers = Producers(world=world, clip=clip)
        witnesses = Witnesses(world=world, human=Human(world=world, name="ana", api=world.api))
        shelf = Shelf(world=world, calls=Calls(world=world, clip=clip.read_bytes()))
        nemesis = Nemesis(world=world, say=say)
        producers.start()
        witnesses.start()
        shelf.start()
        nemesis.run()
        world.heal()
        say("calm: the producers finish, then all must end")
        nemesis.calm(producers.stop)
        nemesis.calm(shelf.stop)
        nemesis.calm(witnesses.stop)
        checker = Checker(world=world, producers=producers, witnesses=witnesses, shelf=shelf, say=say)
        checker.check()
        figures = checker.figures | {
            "accepted": _by_door(producers),
            "disk_can_be_filled": world.mounted,
            "unconfirmed_messages": producers.unconfirmed,
            "resent_messages": producers.resent,
        }
        figures["restarts"] = sum(" ended " in said for said in world.said)
    figures["run_seconds"] = round(time.monotonic() - began, 1)
    broken = [*checker.broken, *empty(plan, figures, nemesis.struck)]
    return Result(plan=plan, broken=broken, figures=figures, struck=nemesis.struck)


def _by_door(producers: Producers) -> dict[str, int]:
    found: dict[str, int] = {}
    for sent in producers.accepted:
        found[sent.door] = found.get(sent.door, 0) + 1
    return found
