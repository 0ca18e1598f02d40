"""How fast a pool's calls may follow each other after AWS said that they are too fast.

Each kind of call has a pace: the share of its rate that is used. A refusal halves it; from then on it grows evenly.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.store.schema import pools


class Call(StrEnum):
    """The kinds of calls that AWS counts."""

    START = "start"  #: StartContentModeration.
    GET = "get"  #: GetContentModeration.


#: The slowest pace, and the time in which a pace grows from nothing to the full rate.
SLOWEST, RECOVERY = 1 / 16, timedelta(minutes=2)
#: Refusals within this time of one that was heeded have the same cause.
_BURST = timedelta(seconds=1)


def pace(slowed_to: float | None, slowed_at: datetime | None, now: datetime) -> float:
    """Return the share of the full rate that may be used now, above 0 and at most 1."""
    if slowed_to is None or slowed_at is None:
        return 1.0
    return min(1.0, slowed_to + max(timedelta(0), now - slowed_at) / RECOVERY)


def slow_down(conn: Connection, pool: str, call: Call, *, now: datetime) -> None:
    """Halve the pace of these calls; a burst of refusals counts once."""
    to, at = pools.c[f"{call}_slowed_to"], pools.c[f"{call}_slowed_at"]
    row = conn.execute(sa.select(to, at).where(pools.c.name == pool).with_for_update(key_share=True)).one_or_none()
    if row is None or (row[1] is not None and now < row[1] + _BURST):
        return
    changes: dict[str, Any] = {to.name: max(SLOWEST, pace(row[0], row[1], now) / 2), at.name: now}
    conn.execute(sa.update(pools).where(pools.c.name == pool).values(**changes))
