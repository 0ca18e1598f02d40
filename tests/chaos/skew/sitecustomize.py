"""Lets a Python process take the time for another: it is so many seconds ahead as ``CHAOS_SKEW`` says."""

import datetime as dt
import os
import time
from typing import Self

_AHEAD = float(os.environ.get("CHAOS_SKEW", "0"))
_time, _time_ns = time.time, time.time_ns


class _Skewed(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Self:
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Self:
        return cls.now(dt.UTC).replace(tzinfo=None)


if _AHEAD:
    time.time = lambda: _time() + _AHEAD
    time.time_ns = lambda: _time_ns() + int(_AHEAD * 1e9)
    dt.datetime = _Skewed  # type: ignore[misc] # that is what it is for
