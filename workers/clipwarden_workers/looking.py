"""When to look at a job: first when a few like it have ended, then at intervals in proportion to its age.

That time is learned from the pool's own jobs. An interval of a tenth of a job's age finds its end a twentieth of
its length late, at the median; however many jobs are open, all looks together stay within the rate of Get calls.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from clipwarden.moderation import Asset, Moderation
from clipwarden.store import pools
from clipwarden_workers import backoff
from clipwarden_workers.services import Services

#: Share of the rate of Get calls that looks may use: the rest is for reading pages.
_SHARE = 0.8


def first(services: Services, conn: Connection, asset: Asset) -> timedelta:
    """Return the time from a job's start to the first look at it."""
    settings = services.settings.rekognition
    pool = pools.by_name(conn, services.pool)
    if pool is None or pool.job_ratio is None or asset.facts is None:
        return timedelta(seconds=settings.first_look)
    return timedelta(seconds=max(pool.job_ratio * asset.facts.duration_ms / 1000, _shortest(services, conn)))


def again(services: Services, conn: Connection, moderation: Moderation, now: datetime) -> timedelta:
    """Return the time to the next look at a job that was just seen to run."""
    settings = services.settings.rekognition
    interval = (now - (moderation.started_at or now)).total_seconds() * (settings.look_growth - 1)
    return backoff.jittered(min(settings.longest_interval, max(interval, _shortest(services, conn))))


def learn(services: Services, conn: Connection, moderation: Moderation, asset: Asset, now: datetime) -> None:
    """Remember how long a job took that was just seen to have ended."""
    if moderation.started_at is None or asset.facts is None:
        return
    age = (now - moderation.started_at).total_seconds()
    ratio = age / max(asset.facts.duration_ms / 1000, 1.0)
    pools.learn(conn, services.pool, ratio=ratio, early=moderation.looks == 0)


def _shortest(services: Services, conn: Connection) -> float:
    """Return the least interval, in seconds, at which all open jobs can be looked at."""
    return pools.in_use(conn, services.pool) / (_SHARE * services.settings.rekognition.get_rate)
