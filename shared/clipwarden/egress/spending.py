"""How long one exchange may take in all, and the pace that a long transfer must keep."""

import time
from dataclasses import dataclass

import httpcore


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a long transfer must keep to."""

    total: float = 3600.0  #: Seconds within which it must end.
    window: float = 30.0  #: Seconds of waiting for the peer, over which progress is measured.
    least: int = 256 * 1024  #: Bytes that must arrive in each window.


class Budget:
    """The seconds that one exchange has left, whoever waits for what; not shared between threads."""

    def __init__(self, seconds: float, pace: Pace | None = None) -> None:
        self._end = time.monotonic() + seconds
        self._pace = pace
        self._waited = 0.0
        self._received = 0

    def allow(self, limit: float | None = None) -> float:
        """Return for how many seconds the next step may block; raises httpcore.TimeoutException when none are left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.TimeoutException("out of time")
        if self._pace is not None:
            left = min(left, max(self._pace.window - self._waited, 0.001))
        return left if limit is None else min(left, limit)

    def received(self, count: int, *, waited: float) -> None:
        """Count bytes that came after a wait; raises httpcore.TimeoutException when a window brought too few.

        Only waiting for the peer counts: what the receiver of the bytes takes to store them is not the peer's fault.
        """
        if self._pace is None:
            return
        self._waited += waited
        self._received += count
        if self._waited >= self._pace.window:
            if self._received < self._pace.least:
                raise httpcore.TimeoutException("too slow")
            self._waited, self._received = 0.0, 0
