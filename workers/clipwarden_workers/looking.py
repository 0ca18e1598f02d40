"""When to look at a job: first when a few like it have ended, then at intervals in proportion to its age.

That time is learned from the pool's own jobs. An interval of a tenth of a job's age finds its end a twentieth of
its length late, at the median; however many jobs are open, all looks together stay within the rate of Get calls.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from clipwarden import errors
from clipwarden.moderation import Asset, Moderation
from clipwarden.store import paces, pools
from clipwarden_workers import backoff
from clipwarden_workers.services import Services

#: Share of the rate of Get calls that looks may use: the rest is for reading pages.
_SHARE = 0.8


def first(services: Services, conn: Connection, moderation: Moderation, asset: Asset) -> timedelta:
    """Return the time from a job's start to the first look at it."""
    pool = _learned(services, conn, moderation)
    if pool.job_ratio is None or asset.facts is None:
        return timedelta(seconds=services.settings.rekognition.first_look)
    ended = pool.job_ratio * asset.facts.duration_ms / 1000
    return timedelta(seconds=max(ended, _shortest(services, conn, pool)))


def again(services: Services, conn: Connection, moderation: Moderation, now: datetime) -> timedelta:
    """Return the time to the next look at a job that was just seen to run."""
    settings = services.settings.rekognition
    interval = (now - (moderation.started_at or now)).total_seconds() * (settings.look_growth - 1)
    shortest = _shortest(services, conn, _learned(services, conn, moderation))
    return backoff.jittered(min(settings.longest_interval, max(interval, shortest)))


def learn(services: Services, conn: Connection, moderation: Moderation, asset: Asset, now: datetime) -> None:
    """Remember how long a job took that was just seen to have ended."""
    if moderation.started_at is None or asset.facts is None:
        return
    age = (now - moderation.started_at).total_seconds()
    ratio = age / max(asset.facts.duration_ms / 1000, 1.0)
    pools.learn(conn, services.pool(moderation).name, ratio=ratio, early=moderation.looks == 0)


def _learned(services: Services, conn: Connection, moderation: Moderation) -> pools.Pool:
    name = services.pool(moderation).name
    if (pool := pools.by_name(conn, name)) is None:
        raise errors.NotFound(f"there is no pool named {name}")
    return pool


def _shortest(services: Services, conn: Connection, pool: pools.Pool) -> float:
    """Return the least interval, in seconds, at which all open jobs can be looked at."""
    rate = services.pools[pool.name].get_rate * pool.pace(paces.Call.GET, services.clock.now())
    return pools.in_use(conn, pool.name) / (_SHARE * rate)
