"""Check everything that clipwarden needs from outside, and say what is wrong and what to do.

Nothing is changed and nothing is paid for: Rekognition is asked for a job, and to analyse a video, that do not exist,
and SQS to delete a message that does not.
"""

import argparse
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from clipwarden import errors, logs
from clipwarden.broker import build_counter, is_rabbitmq
from clipwarden.broker.redis_client import connect
from clipwarden.cli import output
from clipwarden.media.opening import open_store
from clipwarden.message import IntakeMessage
from clipwarden.moderation import Kind, Location
from clipwarden.policy import Policy
from clipwarden.settings import S3IntakeSettings, Settings
from clipwarden.store.engine import create_engine
from clipwarden.store.migrating import require_usable
from clipwarden_workers import pool_checks, pools, queue_checks, s3_events
from clipwarden_workers.bus import Queue
from clipwarden_workers.findings import Doubtful, Finding, Level, find
from clipwarden_workers.pools import Pool
from clipwarden_workers.sessions import session

Check = Callable[[Settings], str]

#: What stands before a finding.
_MARKS = {Level.OK: "ok  ", Level.WARNING: "warn", Level.FAILURE: "FAIL"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare that there are no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Run all checks; 0 when none has failed."""
    settings = Settings()
    logs.configure(settings.log)
    findings = examine(settings)
    if arguments.json:
        output.show_json([_shown(found) for found in findings])
    else:
        for found in findings:
            output.say(f"{_MARKS[found.level]}  {found.check:<12}  {found.detail}")
    return 0 if all(found.ok for found in findings) else 1


def examine(settings: Settings) -> list[Finding]:
    """Return what each check found, in the order in which they depend on each other."""
    checks: dict[str, Check] = {"database": _database, "secrets": _secrets, "media": _media}
    checks |= {"rabbitmq": _rabbitmq} if is_rabbitmq(settings.bus_url) else {}
    checks |= {"redis": _redis} if settings.counting_url is not None else {}
    if settings.s3_intake.queue_url is not None:
        checks |= {"s3 events": _s3_events, "s3 intake": _s3_intake}
    found = [find(name, partial(check, settings)) for name, check in checks.items()]
    try:
        known = pools.build(settings)
    except errors.ConfigurationError as exc:
        return [*found, Finding(check="pools", level=Level.FAILURE, detail=str(exc))]
    found.append(find("pools", partial(pool_checks.forgotten, settings, known)))
    return found + [finding for pool in known.values() for finding in _pool(settings, pool, several=len(known) > 1)]


def _pool(settings: Settings, pool: Pool, *, several: bool) -> list[Finding]:
    checks: dict[str, Callable[[], str]] = {
        "region": partial(pool_checks.region, settings, pool),
        "rekognition": partial(pool_checks.rekognition, settings, pool),
    }
    if pool.settings.completion.queue_url is not None:
        checks["completions"] = partial(
            queue_checks.completions, pool.settings.completion, session=session(pool.settings)
        )
    return [find(f"{name} {pool.name}" if several else name, check) for name, check in checks.items()]


def _shown(found: Finding) -> dict[str, Any]:
    return {"check": found.check, "ok": found.ok, "level": found.level, "detail": found.detail}


def _database(settings: Settings) -> str:
    engine = create_engine(settings.database)
    try:
        require_usable(engine)
        return f"{engine.dialect.name}, schema is current"
    finally:
        engine.dispose()


def _secrets(settings: Settings) -> str:
    if not settings.database.seals:
        raise Doubtful(
            "accounts' secrets are stored as they are: set CLIPWARDEN_DATABASE__SECRET_KEYS, for every process alike"
        )
    return "sealed in the database"


def _rabbitmq(settings: Settings) -> str:
    bus = build_counter(settings.bus_url)
    dead = sum(bus.messages(queue)["dead"] for queue in Queue)
    return f"answers; {dead} dead letters"


def _redis(settings: Settings) -> str:
    with connect(settings.redis.url.get_secret_value()) as client:
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


def _s3_events(settings: Settings) -> str:
    return queue_checks.s3_events(settings.s3_intake, session=s3_events.session(settings))


def _s3_intake(settings: Settings) -> str:
    """Compose the message that an event of S3 leads to, as workers would."""
    engine = create_engine(settings.database)
    try:
        require_usable(engine)
        options = s3_events.options(settings.s3_intake, engine)
    finally:
        engine.dispose()
    wanted = _composed(settings.s3_intake, options)
    return f"account {wanted.account}, moderated by {wanted.moderation}"


def _composed(settings: S3IntakeSettings, options: dict[str, Any]) -> IntakeMessage:
    origin = "CLIPWARDEN_S3_INTAKE" if settings.preset is None else f"preset {settings.preset!r}"
    try:
        wanted = IntakeMessage.compose(account=settings.account, source="s3://bucket/key", **options)
        if wanted.moderation != Kind.MANUAL:
            Policy.parse(wanted.moderation)
    except (errors.MessageError, errors.PolicyError) as exc:
        raise errors.ConfigurationError(f"{origin}: every video would end aborted or refused: {exc}") from exc
    return wanted
