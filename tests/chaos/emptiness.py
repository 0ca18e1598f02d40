"""Emptiness: a run that never came to what it is to try proves nothing, and says so."""

from collections.abc import Mapping
from typing import Any

from chaos.world import Plan

#: Seconds of torment from which on most of it, and all of it, must have happened.
LONG, LONGER = 30.0, 60.0
#: What must have been done on the shelf.
WORKS = ("upload", "upload of an object", "submit", "explicit", "rename", "delete", "override")


def empty(plan: Plan, figures: Mapping[str, Any], struck: Mapping[str, int]) -> list[str]:
    """Return what never happened in a run that was long enough."""
    if plan.seconds < LONG:
        return []
    human, shelf = figures["human"], figures["shelf"]
    happened = {
        "a human decided": human.get("overrides", 0),
        "a human decided before the machine": human.get("overrides before the machine", 0),
        "something rejected was looked for": figures["looks_at_rejected"],
        "something hidden was looked for on the shelf": figures["looks_at_hidden_shelf"],
        "something rejected came back": figures["restored"],
        "something was in the quarantine": figures["in_quarantine"],
        "something was struck": sum(struck.values()),
    }
    if plan.seconds >= LONGER:
        happened |= {f"{work} was done on the shelf": shelf.get(f"{work}: done", 0) for work in WORKS}
    return [f"nothing is proved: it never happened that {what}" for what, count in happened.items() if not count]
