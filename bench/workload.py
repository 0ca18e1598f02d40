"""Videos as users upload them, in compressed time: how long they are, how long their jobs take, and their rows.

Lengths are log-normal (median 3 minutes, sigma 0.9, at most 15 minutes), a job takes 0.2 to 0.6 of its video's length.
A compression of 20 makes a second of the real service a twentieth here, of a video as well as of its job.
"""

import heapq
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import ids, placing
from clipwarden.moderation import Facts, Kind, Location, Stage, Status
from clipwarden.settings import Settings
from clipwarden.store import accounts, assets, moderations, pools, schema
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import write

_MEDIAN, _SIGMA, _LONGEST = 180.0, 0.9, 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """One video; its id is also its moderation's."""

    id: str
    length: float  #: In seconds, compressed.
    seconds: float  #: Of its job, compressed.

    @property
    def key(self) -> str:
        """Return where its object lies in the bucket."""
        return f"bench/{self.id}.mp4"


def videos(count: int, *, compression: float, seed: int = 1) -> list[Video]:
    """Return that many videos, the same ones for the same seed but for their ids."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        length = min(_LONGEST, _MEDIAN * rng.lognormvariate(0, _SIGMA)) / compression
        made.append(Video(id=ids.new_id(), length=length, seconds=length * rng.uniform(0.2, 0.6)))
    return made


def list_schedule(jobs: Sequence[Video], slots: int) -> float:
    """Return the makespan of starting each job, in this order, at the very moment at which a slot is free."""
    free = [0.0] * slots
    for job in jobs:
        heapq.heapreplace(free, free[0] + job.seconds)
    return max(free)


def put(bucket: Path, wanted: Sequence[Video]) -> None:
    """Give every video an object and its script; nothing reads the bytes of a video that counts as probed."""
    for video in wanted:
        script(bucket, video.key, video.seconds)


def script(bucket: Path, key: str, seconds: float) -> None:
    """Put an object whose job takes so long."""
    (bucket / key).parent.mkdir(parents=True, exist_ok=True)
    (bucket / key).write_bytes(b"x")
    (bucket / f"{key}.script.json").write_text(json.dumps({"seconds": seconds}))


def queue(
    engine: sa.Engine, wanted: Sequence[Video], settings: Settings, *, account: str, key: str | None = None
) -> None:
    """Insert rows as they stand after probing, ready for admission; with ``key``, all over the same object."""
    [(pool, quota)] = placing.quotas(settings).items()
    with write(engine) as conn:
        assert quota.slots is not None  # the site says how many
        pools.ensure(conn, pool, quota.slots, DatabaseClock(engine).now())
        asset, moderation = pattern(conn, DatabaseClock(engine), settings.media.bucket, account)
        stamps = [asset["created_at"] + timedelta(microseconds=place) for place in range(len(wanted))]
        owned = [ids.new_id() for _ in wanted]
        conn.execute(
            sa.insert(schema.assets),
            [
                {
                    **asset,
                    "id": id_,
                    "public_id": video.id,
                    "key": key or video.key,
                    "facts": {**asset["facts"], "duration_ms": int(video.length * 1000)},
                }
                for id_, video in zip(owned, wanted, strict=True)
            ],
        )
        conn.execute(
            sa.insert(schema.moderations),
            [
                {
                    **moderation,
                    "id": video.id,
                    "asset_id": id_,
                    "asset_version": asset["version"],
                    "pool": pool,
                    "created_at": stamp,
                }
                for id_, video, stamp in zip(owned, wanted, stamps, strict=True)
            ],
        )


def credentials(account: str) -> tuple[str, str]:
    """Return the API key and secret of an account that rows were made for."""
    return f"key of {account}", "secret"


def pattern(conn: Connection, clock: DatabaseClock, bucket: str, account: str) -> tuple[dict[str, Any], ...]:
    """Return the rows that the store's own functions make of one probed video, and leave none behind."""
    now = clock.now()
    key, secret = credentials(account)
    owner = accounts.ensure(conn, name=account, api_key=key, api_secret=secret, now=now)
    asset = assets.obtain(conn, account_id=owner.id, public_id="pattern", now=now)
    facts = Facts(
        container="mp4",
        codec="h264",
        duration_ms=0,
        width=640,
        height=360,
        frame_rate=30.0,
        rotation=0,
        has_audio=False,
    )
    assets.record(conn, asset.id, location=Location(bucket=bucket, key="-"), bytes=1, etag="-", facts=facts, now=now)
    moderation, _ = moderations.accept(
        conn,
        id=ids.new_id(),
        account_id=owner.id,
        asset_id=asset.id,
        kind=Kind.AWS_REK_VIDEO,
        policy="aws_rek_video",
        source=f"s3://{bucket}/-",
        idempotency_key=None,
        notification_urls=(),
        priority=0,
        stage=Stage.QUEUED,
        status=Status.PENDING,
        due_at=now,
        now=now,
    )
    return _cut(conn, schema.assets, asset.id, moderation.id)


def _cut(conn: Connection, table: sa.Table, asset_id: str, moderation_id: str) -> tuple[dict[str, Any], ...]:
    asset = conn.execute(sa.select(table).where(table.c.id == asset_id)).mappings().one()
    gone = sa.delete(schema.moderations).where(schema.moderations.c.id == moderation_id)
    moderation = conn.execute(gone.returning(schema.moderations)).mappings().one()
    conn.execute(sa.delete(table).where(table.c.id == asset_id))
    return dict(asset), dict(moderation)
