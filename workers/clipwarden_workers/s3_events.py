"""S3 events, over SQS: whatever lands under a prefix of a bucket is moderated.

A message is deleted only once its rows are committed; one that comes again finds them. What clipwarden itself writes,
and what it brings back from the quarantine, is passed over, or it would moderate its own work for ever.
"""

from typing import Any

import boto3
from sqlalchemy import Engine

from clipwarden import errors, logs, metrics, placing
from clipwarden.media import sources
from clipwarden.message import IntakeMessage
from clipwarden.moderation import Location, Placement
from clipwarden.settings import S3IntakeSettings, S3PublicId, Settings
from clipwarden.store import accounts, assets, presets
from clipwarden.store.engine import read
from clipwarden_workers import landings, sqs
from clipwarden_workers.intake import accept
from clipwarden_workers.landings import Landing
from clipwarden_workers.services import Services

log = logs.logger(__name__)

#: Where clipwarden writes in its own bucket: labels, rejected bytes, fetched videos.
_WRITTEN = ("labels/", "quarantine/", "videos/")
#: Characters; a longer key is no public id.
_LONGEST_PUBLIC_ID = 255


def session(settings: Settings) -> boto3.session.Session:
    """Return what the queue is read with: our own credentials, in the region of our own bucket."""
    first = next(iter(placing.quotas(settings).values()))
    return boto3.session.Session(region_name=settings.media.region or first.region)


def readers(services: Services) -> list[sqs.Reader]:
    """Return what reads the queue of S3 events, if the settings name one."""
    settings = services.settings.s3_intake
    if settings.queue_url is None:
        return []
    client = sqs.connect(settings.queue_url, endpoint_url=settings.endpoint_url, session=session(services.settings))
    reader = sqs.Reader("s3 events", client, settings.queue_url, lambda body: take(services, body), metrics.S3_EVENTS)
    return [reader]


def take(services: Services, body: str) -> None:
    """Accept the objects that a message tells of; no record keeps the others from being taken.

    Raises MessageError for what cannot be read, Conflict for an object that is being brought back at the moment, and
    ConfigurationError while the settings name an account or a preset that does not exist.
    """
    events = landings.events(sqs.unwrap(body))
    if events is None:
        metrics.S3_EVENTS.labels("foreign").inc()
        return
    faults = []
    for event in events:
        try:
            metrics.S3_EVENTS.labels(_take(services, event)).inc()
        except errors.PermanentError as exc:
            faults.append(exc)
    if faults:
        raise faults[0]


def options(settings: S3IntakeSettings, engine: Engine) -> dict[str, Any]:
    """Return what every upload is moderated by: the preset's options, and the settings' where it has none.

    Raises ConfigurationError while the settings name an account or a preset that does not exist.
    """
    told = {"moderation": settings.moderation, "notification_url": settings.notification_url}
    with read(engine) as conn:
        account = accounts.by_name(conn, settings.account)
        if account is None:
            msg = f"no account {settings.account!r}; `clipwarden account {settings.account}` makes one"
            raise errors.ConfigurationError(f"CLIPWARDEN_S3_INTAKE__ACCOUNT: {msg}")
        if settings.preset is None:
            return told
        preset = presets.by_name(conn, account.id, settings.preset)
    if preset is None:
        raise errors.ConfigurationError(f"CLIPWARDEN_S3_INTAKE__PRESET: no preset {settings.preset!r}")
    return {name: preset.options.get(name, value) for name, value in told.items()}


def buckets(settings: Settings) -> frozenset[str]:
    """Return the buckets whose events are believed: whoever may write to the queue may name any."""
    pools = (bucket for pool in settings.pools.values() for bucket in pool.buckets)
    return frozenset(settings.s3_intake.buckets or (settings.media.bucket, *pools))


def _take(services: Services, event: object) -> str:
    """Accept one object, and return what came of it."""
    landing = landings.read(event)
    if landing is None or not _wanted(services, landing.location):
        return "skipped"
    if landing.location.bucket not in buckets(services.settings):
        hint = "CLIPWARDEN_S3_INTAKE__BUCKETS names the buckets whose events are believed"
        log.warning(
            "event of another bucket", bucket=landing.location.bucket[:100], key=landing.location.key, hint=hint
        )
        return "foreign"
    _require_findable(services, landing.location)
    if _restored(services, landing):
        return "restored"
    return "ok" if accept(services, _message(services, landing)) else "known"


def _wanted(services: Services, there: Location) -> bool:
    own = there.bucket == services.settings.media.bucket and there.key.startswith(_WRITTEN)
    folder = there.key.endswith("/")  # An empty object by which consoles show a folder.
    return there.key.startswith(services.settings.s3_intake.prefix) and not own and not folder


def _require_findable(services: Services, there: Location) -> None:
    # A key that reads like the name of another object's version must not have that one judged in its place.
    if sources.parse_source(str(there), services.settings.media) != there:
        raise errors.MessageError(f"{there} is not a name under which the object is found again")


def _restored(services: Services, landing: Landing) -> bool:
    """Tell whether the object is one that was brought back; while one is on its way there, that is not known yet."""
    with read(services.engine) as conn:
        found = assets.brought_back(conn, landing.location)
    if any(asset.placed is Placement.QUARANTINE for asset in found):
        raise errors.Conflict(f"{landing.location} is being brought back")
    landed = (landing.etag, landing.location.version)
    return any((asset.etag, asset.location and asset.location.version) == landed for asset in found)


def _message(services: Services, landing: Landing) -> IntakeMessage:
    settings, there = services.settings.s3_intake, landing.location
    named = settings.public_id is S3PublicId.KEY and len(there.key) <= _LONGEST_PUBLIC_ID
    return IntakeMessage.compose(
        idempotency_key=landing.identity,
        account=settings.account,
        source=str(there),
        public_id=there.key if named else None,
        **options(settings, services.engine),
    )
