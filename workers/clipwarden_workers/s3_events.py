"""S3 events, over SQS: whatever lands under a prefix of a bucket is moderated.

A message is deleted only once its rows are committed; one that comes again finds them. What clipwarden itself writes,
and what it brings back from the quarantine, is passed over, or it would moderate its own work for ever.
"""

from typing import Any
from urllib.parse import unquote_plus

import boto3
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clipwarden import errors, ids, metrics
from clipwarden.media import sources
from clipwarden.message import IntakeMessage
from clipwarden.moderation import Location, Placement
from clipwarden.settings import S3PublicId
from clipwarden.store import accounts, assets, presets
from clipwarden.store.engine import read
from clipwarden_workers import sqs
from clipwarden_workers.intake import accept
from clipwarden_workers.services import Services

#: Where clipwarden writes in its own bucket: labels, rejected bytes, fetched videos.
_WRITTEN = ("labels/", "quarantine/", "videos/")
#: Characters; a longer key is no public id.
_LONGEST_PUBLIC_ID = 255


class _Bucket(BaseModel):
    name: str


class _Object(BaseModel):
    key: str
    etag: str | None = Field(default=None, alias="eTag")
    version: str | None = Field(default=None, alias="versionId")
    sequencer: str = ""


class _Place(BaseModel):
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    """One event: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html."""

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str = Field(alias="eventName")
    s3: _Place

    @property
    def location(self) -> Location:
        """Return the object; its key is encoded in events as it is in forms."""
        version = None if self.s3.object.version == "null" else self.s3.object.version
        return Location(bucket=self.s3.bucket.name, key=unquote_plus(self.s3.object.key), version=version)

    @property
    def identity(self) -> str:
        """Return an id that repetitions of this event share with no other event."""
        there, object_ = self.location, self.s3.object
        content = ("version", there.version) if there.version else (object_.etag or "", object_.sequencer)
        return ids.derived_id("s3", there.bucket, there.key, *content)


def readers(services: Services) -> list[sqs.Reader]:
    """Return what reads the queue of S3 events, if the settings name one."""
    settings = services.settings.s3_intake
    if settings.queue_url is None:
        return []
    region = services.settings.media.region or next(iter(services.pools.values())).settings.region
    client = sqs.connect(
        settings.queue_url, endpoint_url=settings.endpoint_url, session=boto3.session.Session(region_name=region)
    )
    reader = sqs.Reader("s3 events", client, settings.queue_url, lambda body: take(services, body), metrics.S3_EVENTS)
    return [reader]


def take(services: Services, body: str) -> None:
    """Accept the objects that a message tells of; no record keeps the others from being taken.

    Raises MessageError for what cannot be read, Conflict for an object that is being brought back at the moment, and
    ConfigurationError while the settings name an account or a preset that does not exist.
    """
    records = sqs.unwrap(body).get("Records")
    if not isinstance(records, list):  # The ``s3:TestEvent`` with which every notification begins.
        metrics.S3_EVENTS.labels("foreign").inc()
        return
    faults = []
    for record in records:
        try:
            metrics.S3_EVENTS.labels(_take(services, record)).inc()
        except errors.PermanentError as exc:
            faults.append(exc)
    if faults:
        raise faults[0]


def _take(services: Services, content: object) -> str:
    """Accept one object, and return what came of it."""
    record = _read(content)
    if not record.name.startswith("ObjectCreated:") or not _wanted(services, record.location):
        return "skipped"
    _require_findable(services, record.location)
    if _restored(services, record):
        return "restored"
    return "ok" if accept(services, _message(services, record)) else "known"


def _read(content: object) -> _Record:
    try:
        return _Record.model_validate(content)
    except ValidationError as exc:
        raise errors.MessageError(f"the record is not an S3 event: {exc}") from exc


def _wanted(services: Services, there: Location) -> bool:
    own = there.bucket == services.settings.media.bucket and there.key.startswith(_WRITTEN)
    folder = there.key.endswith("/")  # An empty object by which consoles show a folder.
    return there.key.startswith(services.settings.s3_intake.prefix) and not own and not folder


def _require_findable(services: Services, there: Location) -> None:
    # A key that reads like the name of another object's version must not have that one judged in its place.
    if sources.parse_source(str(there), services.settings.media) != there:
        raise errors.MessageError(f"{there} is not a name under which the object is found again")


def _restored(services: Services, record: _Record) -> bool:
    """Tell whether the object is one that was brought back; while one is on its way there, that is not known yet."""
    with read(services.engine) as conn:
        found = assets.brought_back(conn, record.location)
    if any(asset.placed is Placement.QUARANTINE for asset in found):
        raise errors.Conflict(f"{record.location} is being brought back")
    landed = (record.s3.object.etag, record.location.version)
    return any((asset.etag, asset.location and asset.location.version) == landed for asset in found)


def _message(services: Services, record: _Record) -> IntakeMessage:
    settings, there = services.settings.s3_intake, record.location
    named = settings.public_id is S3PublicId.KEY and len(there.key) <= _LONGEST_PUBLIC_ID
    return IntakeMessage.compose(
        idempotency_key=record.identity,
        account=settings.account,
        source=str(there),
        public_id=there.key if named else None,
        **_options(services),
    )


def _options(services: Services) -> dict[str, Any]:
    """Return the options of the upload: the preset's, and the settings' where it has none."""
    settings = services.settings.s3_intake
    options = {"moderation": settings.moderation, "notification_url": settings.notification_url}
    with read(services.engine) as conn:
        account = accounts.by_name(conn, settings.account)
        if account is None:
            raise errors.ConfigurationError(f"CLIPWARDEN_S3_INTAKE__ACCOUNT: no account {settings.account!r}")
        if settings.preset is None:
            return options
        preset = presets.by_name(conn, account.id, settings.preset)
    if preset is None:
        raise errors.ConfigurationError(f"CLIPWARDEN_S3_INTAKE__PRESET: no preset {settings.preset!r}")
    return {name: preset.options.get(name, value) for name, value in options.items()}
