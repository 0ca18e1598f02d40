"""The pools that this process fills: the Rekognition of each, and how many slots it has."""

from collections.abc import Iterable
from dataclasses import dataclass

import botocore.exceptions
from botocore.config import Config
from sqlalchemy import Connection

from clipwarden import logs, placing
from clipwarden.settings import PoolSettings, Settings
from clipwarden.store import pools
from clipwarden.store.clock import DatabaseClock
from clipwarden_workers.rekognition import Rekognition
from clipwarden_workers.sessions import session

log = logs.logger(__name__)

#: The quota of concurrent stored-video jobs, as Service Quotas names it.
_SERVICE, _QUOTA = "rekognition", "L-A6079699"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One pool, as this process works with it."""

    name: str
    settings: PoolSettings
    rekognition: Rekognition

    @property
    def get_rate(self) -> float:
        """Return how many Get calls a second all workers together may make."""
        return placing.get_rate(self.settings)


def build(settings: Settings) -> dict[str, Pool]:
    """Return the pools that the settings name; nothing is contacted yet."""
    return {
        name: Pool(name=name, settings=quota, rekognition=Rekognition(quota, quota.completion))
        for name, quota in placing.quotas(settings).items()
    }


def slots(pool: Pool) -> int | None:
    """Return how many slots the pool may fill, by the settings or else by Service Quotas; ``None`` where neither says.

    Service Quotas is not asked about an endpoint that is not AWS's.
    """
    total = pool.settings.slots
    if total is None and pool.settings.endpoint_url is None:
        total = _granted(pool)
    return None if total is None else max(1, total - pool.settings.reserve)


def register(conn: Connection, pools_slots: Iterable[tuple[Pool, int | None]], clock: DatabaseClock) -> None:
    """Make the pools' rows; where nobody says how many slots a pool has, it keeps those it had, at first AWS's 20."""
    for pool, count in pools_slots:
        known = pools.by_name(conn, pool.name)
        usual = max(1, placing.SLOTS - pool.settings.reserve)
        pools.ensure(conn, pool.name, count or (known.slots if known else usual), clock.now())


def _granted(pool: Pool) -> int | None:
    config = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=3, read_timeout=5)
    try:
        client = session(pool.settings).client("service-quotas", config=config)
        answer = client.get_service_quota(ServiceCode=_SERVICE, QuotaCode=_QUOTA)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as exc:
        log.info("quota not read", pool=pool.name, reason=str(exc))
        return None
    return max(1, int(answer["Quota"]["Value"]))
