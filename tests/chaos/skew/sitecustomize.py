"""Lets a Python process take the time for another: it is so many seconds ahead as ``CHAOS_SKEW`` says.

It is right for as many seconds as ``CHAOS_SKEW_AFTER`` says: then its clock jumps.
"""

import datetime as dt
import os
import time
from typing import Self

_AHEAD = float(os.environ.get("CHAOS_SKEW", "0"))
_JUMPS_AT = time.monotonic() + float(os.environ.get("CHAOS_SKEW_AFTER", "0"))
_time, _time_ns = time.time, time.time_ns


def _ahead() -> float:
    return _AHEAD if time.monotonic() >= _JUMPS_AT else 0.0


class _Skewed(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Self:
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Self:
        return cls.now(dt.UTC).replace(tzinfo=None)


if _AHEAD:
    time.time = lambda: _time() + _ahead()
    time.time_ns = lambda: _time_ns() + int(_ahead() * 1e9)
    dt.datetime = _Skewed  # type: ignore[misc] # that is what it is for
