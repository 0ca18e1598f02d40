"""Checks of one pool: that its Rekognition may be called, and reads its buckets."""

import contextlib

from clipwarden import errors, ids
from clipwarden.media.opening import open_store
from clipwarden.moderation import Location
from clipwarden.settings import Settings
from clipwarden.store import pools as rows
from clipwarden.store.engine import create_engine, read
from clipwarden.store.migrating import require_usable
from clipwarden_workers.findings import Doubtful
from clipwarden_workers.pools import Pool


def region(settings: Settings, pool: Pool) -> str:
    """Check that the pool's buckets are in the region in which Rekognition is called; raises ConfigurationError."""
    called = pool.rekognition.region
    if settings.media.root is not None:
        return f"pool {pool.name}; media in {settings.media.root}"
    store = open_store(settings.media)
    for bucket in _buckets(settings, pool):
        if (place := store.region(bucket)) != called:
            raise errors.ConfigurationError(
                f"bucket {bucket} is in {place}, but Rekognition is called in {called}: "
                "it only reads buckets of its own region"
            )
    return f"{', '.join(_buckets(settings, pool))} and Rekognition are in {called}"


def rekognition(settings: Settings, pool: Pool) -> str:
    """Check that jobs may be started and looked at, with a job and a video that do not exist."""
    client = pool.rekognition
    with contextlib.suppress(errors.ResultsExpired):
        client.look("0" * 64)
    nothing = Location(bucket=_buckets(settings, pool)[0], key=f"clipwarden-doctor-{ids.new_id()}")
    try:
        client.start(nothing, min_confidence=50, token=ids.new_id(), tag="doctor")
    except errors.SlotsExhausted:
        return f"jobs may be started and looked at in {client.region}; all slots are taken at the moment"
    except errors.AnalysisRefused as exc:
        if exc.error != "InvalidS3ObjectException":
            raise
    return f"jobs may be started and looked at in {client.region}"


def forgotten(settings: Settings, known: dict[str, Pool]) -> str:
    """Check that nothing waits for a pool that the settings do not name any more; raises Doubtful."""
    engine = create_engine(settings.database)
    try:
        require_usable(engine)
        with read(engine) as conn:
            waiting = {pool.name: rows.unfinished(conn, pool.name) for pool in rows.every(conn)}
    finally:
        engine.dispose()
    left = [f"{count} of pool {name}" for name, count in waiting.items() if count and name not in known]
    if left:
        raise Doubtful(f"moderations wait for pools that the settings do not name: {', '.join(left)}; name them again")
    return ", ".join(known)


def _buckets(settings: Settings, pool: Pool) -> tuple[str, ...]:
    return pool.settings.buckets or (settings.media.bucket,)
