"""Waiting in tests: for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T], *, within: float = 20.0, every: float = 0.02, message: str = "") -> T:
    """Return ``probe()`` as soon as it is truthy; fail with ``message`` after ``within`` seconds."""
    end = time.monotonic() + within
    while not (value := probe()):
        if time.monotonic() > end:
            raise AssertionError(message or f"not within {within} s; last seen: {value!r}")
        time.sleep(every)
    return value
