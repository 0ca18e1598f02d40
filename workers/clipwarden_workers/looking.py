"""When to look at a job: where its end is most likely, and as often as that is worth.

How long jobs take is learned from the pool's own. Few looks leave slots idle, for a job's end is found late; so a look
has a price, the time of an idle slot. However many jobs are open, all looks together stay within the rate of Get calls.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from clipwarden import errors
from clipwarden.job_times import JobTimes
from clipwarden.moderation import Asset, Moderation, Status
from clipwarden.store import paces, pools
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services

#: Share of the rate of Get calls that looks may use: the rest is for reading pages.
_SHARE = 0.8
#: How much closer than all jobs at once could stand, looks at one job may follow each other.
_CLOSER = 4
#: Growth of a job's age from one look to the next while it is not known how long jobs take.
_UNKNOWN_GROWTH = 0.1
#: One completion in so many is lost; where they are sent, polling is for those alone.
_ONE_LOST_IN = 100


def first(services: Services, conn: Connection, moderation: Moderation, asset: Asset) -> timedelta:
    """Return the time from a job's start to the first look at it."""
    pool = _pool(services, conn, moderation)
    if pool.job_times is None or asset.facts is None:
        return timedelta(seconds=services.settings.rekognition.first_look)
    return timedelta(seconds=_next(services, conn, pool, pool.job_times, asset, age=0.0))


def again(services: Services, conn: Connection, moderation: Moderation, asset: Asset, now: datetime) -> timedelta:
    """Return the time to the next look at a job that was just seen to run."""
    settings = services.settings.rekognition
    pool = _pool(services, conn, moderation)
    age = (now - (moderation.started_at or now)).total_seconds()
    if pool.job_times is None or asset.facts is None:
        return timedelta(seconds=min(settings.longest_interval, settings.first_look + age * _UNKNOWN_GROWTH))
    interval = _next(services, conn, pool, pool.job_times, asset, age=age) - age
    return timedelta(seconds=min(settings.longest_interval, interval))


def meet(services: Services, moderation: Moderation, wait: timedelta) -> None:
    """Look at the job of a row that was just written, and will fall due a little later, after that time."""
    services.appointments.make(wait, Step.COLLECT, moderation.id, moderation.fence + 1)


def learn(services: Services, conn: Connection, moderation: Moderation, asset: Asset, now: datetime) -> None:
    """Remember how long a job took that was just seen to have ended."""
    if moderation.started_at is None or asset.facts is None:
        return
    seen = seen_running(moderation) or moderation.started_at
    after, until = ((at - moderation.started_at).total_seconds() / _length(asset) for at in (seen, now))
    pools.learn(conn, services.pool(moderation).name, after=after, until=until, length=_length(asset))


def seen_running(moderation: Moderation) -> datetime | None:
    """Return when a job that has ended was last known to run: by a look at it, or because it was started then.

    A row tells of its last look as long as nothing has changed it since, as looks that fail and humans who decide do.
    """
    untouched = not moderation.faults and moderation.status is Status.PENDING
    return moderation.updated_at if moderation.looks and untouched else moderation.started_at


def _pool(services: Services, conn: Connection, moderation: Moderation) -> pools.Pool:
    name = services.pool(moderation).name
    if (pool := pools.by_name(conn, name)) is None:
        raise errors.NotFound(f"there is no pool named {name}")
    return pool


def _next(
    services: Services, conn: Connection, pool: pools.Pool, known: JobTimes, asset: Asset, *, age: float
) -> float:
    """Return the age, in seconds, at which to look at a job of this age."""
    settings, length = services.settings.rekognition, _length(asset)
    served = services.pools[pool.name]
    rate = served.get_rate * pool.pace(paces.Call.GET, services.clock.now())
    open_jobs = max(1, pools.in_use(conn, pool.name))
    affordable = _SHARE * rate * known.seconds / open_jobs
    price = max(settings.look_price, known.price_of(affordable) * known.seconds / known.mean)
    if served.settings.completion.queue_url is not None:
        price *= _ONE_LOST_IN
    due = known.next_look(age / length, price=price / length) * length
    latest = max(age, known.mean * length) + settings.longest_interval
    return max(min(due, latest), age + open_jobs / (_CLOSER * rate))


def _length(asset: Asset) -> float:
    """Return a video's length in seconds; the shortest count as one second, for a job takes its time to begin."""
    return max(1.0, asset.facts.duration_ms / 1000) if asset.facts is not None else 1.0
