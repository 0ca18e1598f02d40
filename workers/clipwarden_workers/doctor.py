"""Check everything that clipwarden needs from outside, and say what is wrong and what to do.

Nothing is changed and nothing is paid for: Rekognition is asked for a job, and to analyse a video, that do not exist.
"""

import argparse
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import botocore.exceptions
import redis

from clipwarden import errors, ids, logs
from clipwarden.cli import output
from clipwarden.media.opening import open_store
from clipwarden.moderation import Location
from clipwarden.settings import Settings
from clipwarden.store.engine import create_engine
from clipwarden.store.migrating import require_current
from clipwarden_workers.rekognition import Rekognition


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    ok: bool
    detail: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare that there are no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Run all checks; 0 when all are well."""
    settings = Settings()
    logs.configure(settings.log)
    findings = examine(settings)
    if arguments.json:
        output.show_json([{"check": found.check, "ok": found.ok, "detail": found.detail} for found in findings])
    else:
        for found in findings:
            output.say(f"{'ok  ' if found.ok else 'FAIL'}  {found.check:<12}  {found.detail}")
    return 0 if all(found.ok for found in findings) else 1


def examine(settings: Settings) -> list[Finding]:
    """Return what each check found, in the order in which they depend on each other."""
    checks: dict[str, Callable[[Settings], str]] = {
        "database": _database,
        "redis": _redis,
        "media": _media,
        "region": _region,
        "rekognition": _rekognition,
    }
    return [_finding(name, check, settings) for name, check in checks.items()]


def _finding(name: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(check=name, ok=True, detail=check(settings))
    except (errors.ClipwardenError, redis.RedisError, botocore.exceptions.BotoCoreError, OSError) as exc:
        return Finding(check=name, ok=False, detail=str(exc))
    except botocore.exceptions.ClientError as exc:
        return Finding(check=name, ok=False, detail=f"{exc.operation_name}: {exc}")


def _database(settings: Settings) -> str:
    engine = create_engine(settings.database)
    try:
        require_current(engine)
        return f"{engine.dialect.name}, schema is current"
    finally:
        engine.dispose()


def _redis(settings: Settings) -> str:
    with redis.Redis.from_url(settings.redis.url.get_secret_value(), socket_timeout=5) as client:
        info = client.info()
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        raise errors.ConfigurationError(f"Redis may evict messages: set maxmemory-policy to noeviction, not {policy}")
    durable = "append-only file on" if info.get("aof_enabled") else "no append-only file: messages die with Redis"
    return f"version {info['redis_version']}, {durable}"


def _media(settings: Settings) -> str:
    store = open_store(settings.media)
    with contextlib.suppress(errors.MediaNotFound):
        store.head(Location(bucket=settings.media.bucket, key="clipwarden-doctor"))
    return f"bucket {settings.media.bucket} can be read"


def _region(settings: Settings) -> str:
    region = Rekognition(settings.rekognition, settings.completion).region
    if settings.media.root is not None:
        return f"pool {region}; media in {settings.media.root}"
    bucket = open_store(settings.media).region(settings.media.bucket)
    if bucket != region:
        raise errors.ConfigurationError(
            f"bucket {settings.media.bucket} is in {bucket}, but Rekognition is called in {region}: "
            "it only reads buckets of its own region"
        )
    return f"bucket and Rekognition are both in {region}"


def _rekognition(settings: Settings) -> str:
    client = Rekognition(settings.rekognition, settings.completion)
    with contextlib.suppress(errors.ResultsExpired):
        client.look("0" * 64)
    nothing = Location(bucket=settings.media.bucket, key=f"clipwarden-doctor-{ids.new_id()}")
    try:
        client.start(nothing, min_confidence=50, token=ids.new_id(), tag="doctor")
    except errors.SlotsExhausted:
        return f"jobs may be started and looked at in {client.region}; all slots are taken at the moment"
    except errors.AnalysisRefused as exc:
        if exc.error != "InvalidS3ObjectException":
            raise
    return f"jobs may be started and looked at in {client.region}"
