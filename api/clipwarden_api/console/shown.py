"""Values as people read them."""

from datetime import datetime
from typing import Any

from clipwarden.store.queues import MANY

#: What stands where there is nothing to show.
NOTHING = "\N{EN DASH}"


def moment(value: datetime | None) -> str:
    """Return a time to the minute, in UTC as all of the console's times are."""
    return NOTHING if value is None else value.strftime("%Y-%m-%d %H:%M")


def exact(value: datetime) -> str:
    """Return a time as machines read it."""
    return value.isoformat(timespec="seconds").replace("+00:00", "Z")


def ago(value: datetime, now: datetime) -> str:
    """Return how long ago that was, by its largest unit."""
    seconds = max(0, int((now - value).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def clock(milliseconds: int) -> str:
    """Return a place in a video: minutes and seconds."""
    seconds = milliseconds // 1000
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def percent(value: float | None) -> str:
    """Return a share of a hundred, without decimals that say nothing."""
    return NOTHING if value is None else f"{value:.1f}".removesuffix(".0") + " %"


def capped(value: int) -> str:
    """Return how many there are of what is counted no further than one above ``queues.MANY``, or of a sum of such."""
    return f"{min(value, MANY):,}{'+' if value > MANY else ''}"


def actor(value: str | None) -> str:
    """Return who did something."""
    return {"policy": "the policy", None: NOTHING}.get(value, (value or "").removeprefix("human:"))


FILTERS: dict[str, Any] = {
    "moment": moment,
    "exact": exact,
    "ago": ago,
    "clock": clock,
    "percent": percent,
    "capped": capped,
    "actor": actor,
}
