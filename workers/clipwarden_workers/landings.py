"""Landings: objects that have come to lie in a bucket, as S3's events tell of them.

An event comes from the bucket, whose keys are encoded as in forms, or over EventBridge, whose keys are not. A message
has one or the other, with or without the envelope of SNS.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clipwarden import errors, ids
from clipwarden.moderation import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """One object that has landed."""

    location: Location
    etag: str | None
    moment: str  #: The event's sequencer, or its time where a store gives none.

    @property
    def identity(self) -> str:
        """Return an id that all tidings of this landing share, whichever way they come, with those of no other."""
        there = self.location
        content = ("version", there.version) if there.version else (self.etag or "", self.moment)
        return ids.derived_id("s3", there.bucket, there.key, *content)


class _Part(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)


class _Bucket(_Part):
    name: str


class _Object(_Part):
    key: str
    etag: str | None = Field(default=None, alias="eTag")
    version: str | None = Field(default=None, alias="versionId")
    sequencer: str = ""


class _Place(_Part):
    bucket: _Bucket
    object: _Object


class _Record(_Part):
    """An event of a bucket: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html."""

    name: str = Field(alias="eventName")
    time: str = Field(default="", alias="eventTime")
    s3: _Place


class _BridgedObject(_Part):
    key: str
    etag: str | None = None
    version: str | None = Field(default=None, alias="version-id")
    sequencer: str = ""


class _BridgedPlace(_Part):
    bucket: _Bucket
    object: _BridgedObject


class _Bridged(_Part):
    """An event over EventBridge: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""

    time: str = ""
    detail: _BridgedPlace


def events(message: dict[str, Any]) -> list[object] | None:
    """Return the events of a message, not yet checked; ``None`` for what is no message of S3's objects.

    Such is the ``s3:TestEvent`` with which every notification of a bucket begins.
    """
    if isinstance(records := message.get("Records"), list):
        return records
    return [message] if message.get("source") == "aws.s3" else None


def read(event: object) -> Landing | None:
    """Return what has landed; ``None`` for an event of another kind. Raises MessageError for what cannot be read."""
    try:
        return _bridged(event) if isinstance(event, dict) and "detail-type" in event else _recorded(event)
    except ValidationError as exc:
        raise errors.MessageError(f"the record is not an S3 event: {exc}") from exc


def _recorded(event: object) -> Landing | None:
    record = _Record.model_validate(event)
    if not record.name.startswith("ObjectCreated:"):
        return None
    return _landing(record.s3, key=unquote_plus(record.s3.object.key), time=record.time)


def _bridged(event: dict[str, Any]) -> Landing | None:
    if event["detail-type"] != "Object Created":
        return None
    told = _Bridged.model_validate(event)
    return _landing(told.detail, key=told.detail.object.key, time=told.time)


def _landing(place: _Place | _BridgedPlace, *, key: str, time: str) -> Landing:
    object_ = place.object
    version = None if object_.version in {"null", ""} else object_.version
    moment = object_.sequencer or time
    if not (version or moment):
        # The same bytes that land again would be taken for a repetition, and never be looked at.
        raise errors.MessageError("the record tells neither version nor sequencer nor time: it may be any landing")
    return Landing(
        location=Location(bucket=place.bucket.name, key=key, version=version), etag=object_.etag, moment=moment
    )
