"""How long to wait before the next try."""

import random
from datetime import timedelta

#: No wait after a fault is longer than this.
LONGEST = timedelta(minutes=5)


def wait(faults: int, first: float, longest: timedelta = LONGEST) -> timedelta:
    """Return the wait after the given number of faults in a row: doubling, half of it drawn by chance."""
    full = min(longest.total_seconds(), first * 2.0 ** min(max(faults - 1, 0), 30))
    return timedelta(seconds=full * random.uniform(0.5, 1))  # noqa: S311 # jitter, not a secret


def jittered(seconds: float, share: float) -> timedelta:
    """Return a wait that differs from the given one by this share at most, so that not all come back at once."""
    return timedelta(seconds=seconds * random.uniform(1 - share, 1 + share))  # noqa: S311 # jitter, not a secret
