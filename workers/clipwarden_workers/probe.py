"""The actor ``probe``: fetch the source if it is elsewhere, and refuse before any paid call what cannot be analysed."""

import tempfile
from pathlib import Path
from typing import BinaryIO

from clipwarden import errors, logs, placing
from clipwarden.media import sources
from clipwarden.media.fingerprint import Digesting, fingerprint
from clipwarden.media.store import Stored
from clipwarden.moderation import Kind, Location, Moderation, Stage
from clipwarden.policy import Policy
from clipwarden.store import accounts, assets, leases, library, pools, posters, schema, versions
from clipwarden.store.engine import read, write
from clipwarden_workers import admission, reuse, turn
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def probe(services: Services, moderation: Moderation) -> None:
    """Bring the video into reach, look what it is, and queue it for analysis or for a human.

    Bytes whose labels were paid for before are judged by those at once.
    """
    policy = None if moderation.kind is Kind.MANUAL else policy_of(services, moderation)
    stored, sha256 = _bring(services, moderation)
    pool = None if policy is None else _pool(services, stored.location)
    if stored.bytes > services.settings.media.max_bytes:
        limit = f"{services.settings.media.max_bytes:,}"
        raise errors.MediaRefused(f"the video has {stored.bytes:,} bytes, more than {limit}", reason="too_large")
    looked = services.prober.look(stored)
    recognised = fingerprint(stored, sha256)
    origin = reuse.find(services, moderation, recognised, policy.min_confidence) if policy else None
    now = services.clock.now()
    with write(services.engine) as conn:
        before = library.by_id(conn, moderation.account_id, moderation.asset_id, for_update=True)
        asset = assets.record(
            conn,
            moderation.asset_id,
            location=stored.location,
            bytes=stored.bytes,
            etag=stored.etag,
            facts=looked.facts,
            now=now,
            fingerprint=recognised,
            only_version=moderation.asset_version,
            ours=sha256 is not None,
        )
        posters.keep(conn, asset, looked.poster)
        if before is not None and before.location is not None and _is_elsewhere(before.location, stored.location):
            versions.part(conn, before, now)
        found = {
            "policy": str(policy or moderation.policy),
            "min_confidence": policy and policy.min_confidence,
            "asset_version": asset.version,
            "fingerprint": recognised,
            "pool": pool,
        }
        taken = origin is not None and reuse.take(services, conn, moderation, origin, now, **found)
        if origin is None:
            stage, due_at = (Stage.REVIEW, None) if policy is None else (Stage.QUEUED, now)
            turn.shift(conn, moderation, stage, now=now, due_at=due_at, **found)
        admitted = admission.refill(services, conn, pool, now)
    facts = looked.facts
    log.info("video probed", width=facts.width, height=facts.height, duration_ms=facts.duration_ms)
    admission.announce(services, admitted)
    if taken and origin is not None and pool is not None:
        reuse.announce(services, moderation, origin, services.pools[pool])


def _is_elsewhere(before: Location, after: Location) -> bool:
    return (before.bucket, before.key) != (after.bucket, after.key)


def policy_of(services: Services, moderation: Moderation) -> Policy:
    """Return the moderation's policy, read with its account's default taxonomy."""
    with read(services.engine) as conn:
        account = accounts.by_id(conn, moderation.account_id)
    return Policy.parse(moderation.policy, default_taxonomy=account.default_taxonomy if account else "6.1")


def _bring(services: Services, moderation: Moderation) -> tuple[Stored, str | None]:
    """Return the video as an object of the media store, and the SHA-256 if it had to be copied there first."""
    source = sources.parse_source(moderation.source, services.settings.media)
    if isinstance(source, Location):
        return services.media.head(source), None
    target = placing.fetched(_home(services, moderation), moderation.account_id, moderation.id)
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return _copy(services, target, stream)
    with tempfile.TemporaryFile() as spool:
        services.egress.fetch(source, spool, max_bytes=services.settings.media.max_bytes)
        spool.seek(0)
        return _copy(services, target, spool)


def _copy(services: Services, target: Location, stream: BinaryIO) -> tuple[Stored, str]:
    digesting = Digesting(stream)
    stored = services.media.put(target, digesting.buffered(), content_type="video/mp4")
    return stored, digesting.hexdigest()


def _home(services: Services, moderation: Moderation) -> str:
    """Return the bucket that the video is copied to: chosen once, so that a repetition writes the same object."""
    if (name := moderation.pool) is None or name not in services.pools:
        with write(services.engine) as conn:
            name = pools.soonest(conn, list(services.pools))
            leases.amend(
                conn, schema.moderations, moderation.id, fence=moderation.fence, now=services.clock.now(), pool=name
            )
    return placing.bucket_of(services.pools[name].settings, services.settings.media.bucket)


def _pool(services: Services, video: Location) -> str:
    """Return the pool whose slots the moderation is to wait for."""
    with read(services.engine) as conn:
        return placing.pool_of(conn, services.quotas, video.bucket)
