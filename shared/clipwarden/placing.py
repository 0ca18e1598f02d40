"""Where videos belong: to a pool that reads their bucket, of several the one that is free first; or out of sight."""

from collections.abc import Iterable, Mapping

from sqlalchemy.engine import Connection, Engine

from clipwarden import errors
from clipwarden.moderation import Asset, Location
from clipwarden.settings import PoolSettings, QuotaSettings, Settings
from clipwarden.store import pools
from clipwarden.store.engine import read

#: Slots where nobody says otherwise.
SLOTS = 20

#: Get calls per second: what AWS grants in the regions of the first set, and in all others.
_GET_RATES = ({"us-east-1", "us-west-2", "eu-west-1", "us-gov-west-1"}, 20.0, 5.0)


def quotas(settings: Settings) -> dict[str, PoolSettings]:
    """Return the pools by name, each with its region; where none is named, the only one has its region's name.

    Raises ConfigurationError where neither the settings nor the AWS environment name a region.
    """
    if settings.pools:
        return {name: _with_region(pool) for name, pool in settings.pools.items()}
    given = settings.rekognition.model_dump(include=set(QuotaSettings.model_fields))
    pool = _with_region(PoolSettings(**given, completion=settings.completion))
    return {str(pool.region): pool}


def get_rate(pool: QuotaSettings) -> float:
    """Return how many Get calls a second the pool may make."""
    fast_regions, fast, slow = _GET_RATES
    return pool.get_rate or (fast if pool.region in fast_regions else slow)


def pool_of(conn: Connection, quotas: Mapping[str, PoolSettings], bucket: str) -> str:
    """Return the pool that reads this bucket, of several the one that will be free first.

    Raises AnalysisRefused where none does.
    """
    readers = [name for name, pool in quotas.items() if not pool.buckets or bucket in pool.buckets]
    if not readers:
        raise errors.AnalysisRefused(
            f"no pool reads bucket {bucket}: CLIPWARDEN_POOLS__…__BUCKETS list {_listed(quotas.values())}",
            error="NoPool",
        )
    return pools.soonest(conn, readers)


def home(engine: Engine, quotas: Mapping[str, PoolSettings], default: str) -> str:
    """Return the bucket for a new video: the first of the pool that will be free first, or else the default."""
    if len(quotas) == 1:
        [pool] = quotas.values()
        return bucket_of(pool, default)
    with read(engine) as conn:
        return bucket_of(quotas[pools.soonest(conn, list(quotas))], default)


def bucket_of(pool: PoolSettings, default: str) -> str:
    """Return the bucket in which the pool's new videos are kept: the default one if the pool reads it."""
    return default if not pool.buckets or default in pool.buckets else pool.buckets[0]


def fetched(bucket: str, account_id: str, moderation_id: str) -> Location:
    """Return where a video belongs that was fetched for a moderation."""
    return Location(bucket=bucket, key=f"videos/{account_id}/{moderation_id}.mp4")


def quarantine(bucket: str, asset: Asset, version: int | None = None) -> Location:
    """Return where in the service's bucket an asset's bytes, or those of an earlier version, are while rejected."""
    return quarantined(bucket, asset.id, version or asset.version)


def quarantined(bucket: str, asset_id: str, version: int) -> Location:
    """Return where in the service's bucket the bytes of this version are while rejected."""
    return Location(bucket=bucket, key=f"quarantine/{asset_id}/{version}")


def _listed(quotas: Iterable[PoolSettings]) -> str:
    return ", ".join(sorted({bucket for pool in quotas for bucket in pool.buckets}))


def _with_region(pool: PoolSettings) -> PoolSettings:
    region = pool.region or _region_here()
    if region is None:
        raise errors.ConfigurationError("no AWS region: set CLIPWARDEN_REKOGNITION__REGION or AWS_DEFAULT_REGION")
    return pool.model_copy(update={"region": region})


def _region_here() -> str | None:
    import boto3  # noqa: PLC0415 # a gateway that keeps videos in a folder loads nothing else of AWS's libraries

    region: str | None = boto3.session.Session().region_name
    return region
