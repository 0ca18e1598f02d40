"""What is moderated and where it stands: the domain's words as types, without any I/O."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """Who judges."""

    AWS_REK_VIDEO = "aws_rek_video"  #: Rekognition's labels under a policy.
    MANUAL = "manual"  #: A human.


class Stage(StrEnum):
    """Where the pipeline stands with a moderation."""

    INTAKE = "intake"  #: Accepted; the source is to be fetched and probed.
    QUEUED = "queued"  #: Ready; waits for a slot.
    STARTING = "starting"  #: Holds a slot; the job is to be started.
    ANALYSING = "analysing"  #: Holds a slot; the job runs.
    COLLECTING = "collecting"  #: The job has ended, its slot is free; the labels are to be read.
    JUDGING = "judging"  #: The labels are kept; the rules are to be applied.
    REVIEW = "review"  #: Waits for a human.
    DECIDED = "decided"  #: Ended, by a verdict, a human or an abort.


#: The stages in which a moderation occupies one of its pool's slots.
SLOT_STAGES = (Stage.STARTING, Stage.ANALYSING)


class Status(StrEnum):
    """What the outside sees of a moderation."""

    QUEUED = "queued"  #: Waits for an earlier moderation of the same asset.
    PENDING = "pending"  #: Not judged yet.
    APPROVED = "approved"  #: Nothing exceeds a threshold, or a human says so.
    REJECTED = "rejected"  #: Something exceeds its threshold, or a human says so.
    ABORTED = "aborted"  #: A technical failure; never an approval.


class ResourceType(StrEnum):
    """What an asset is."""

    VIDEO = "video"  #: Videos, and sounds.
    IMAGE = "image"  #: Pictures: kept and listed, judged by humans only.
    RAW = "raw"  #: Anything else: likewise.


class Placement(StrEnum):
    """Where an asset's bytes are kept."""

    LIBRARY = "library"  #: At their own location, deliverable.
    QUARANTINE = "quarantine"  #: Out of sight, restorable.


class DeliveryStage(StrEnum):
    """Where one callback to one URL stands."""

    WAITING = "waiting"  #: To be attempted when due and when its endpoint has room.
    SENDING = "sending"  #: Handed out to be attempted; falls due when nobody reports about it.
    DELIVERED = "delivered"  #: Acknowledged with a 2xx.
    FAILED = "failed"  #: Given up.


class Scope(StrEnum):
    """How much of an asset is erased."""

    ASSET = "asset"  #: All that is kept of it, and about it.
    BYTES = "bytes"  #: The bytes of a rejected one, which then cannot be brought back.
    LABELS = "labels"  #: What was seen in it, when that is old; verdicts stay.


#: ``decided_by`` of a verdict that the rules reached.
BY_POLICY = "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """An object in the media store, in the terms of S3; the folder store maps a bucket to a folder."""

    bucket: str
    key: str
    version: str | None = None

    def __str__(self) -> str:
        """Return ``s3://bucket/key``, with ``?versionId=`` where a version is pinned."""
        pinned = f"?versionId={self.version}" if self.version else ""
        return f"s3://{self.bucket}/{self.key}{pinned}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What probing found out about a video."""

    container: str
    codec: str
    duration_ms: int
    width: int  #: Displayed pixels, rotation applied.
    height: int  #: Displayed pixels, rotation applied.
    frame_rate: float
    rotation: int  #: Degrees, counter-clockwise, that a player turns the coded picture by.
    has_audio: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A tenant: what Cloudinary calls a cloud."""

    id: str
    name: str
    api_key: str
    api_secret: str = field(repr=False)
    notification_url: str | None = None
    signature_algorithm: str = "sha1"
    default_taxonomy: str = "6.1"
    weight: float = 1.0  #: Its share of the slots, in proportion to others'.
    max_in_flight: int | None = None  #: Most slots that it may hold in one pool; ``None`` for no cap.
    pending_listed: bool = True  #: Whether what is not judged yet is in the library.
    pending_delivered: bool = True  #: Whether what is not judged yet is delivered.
    webhook_secret: str | None = field(default=None, repr=False)
    webhook_secret_before: str | None = field(default=None, repr=False)
    webhook_secret_until: datetime | None = None  #: Until when the one before signs, too.
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A named set of upload options of one account."""

    id: str
    account_id: str
    name: str
    unsigned: bool  #: Whether uploads through it need no signature.
    options: dict[str, Any]  #: Such as ``moderation`` and ``notification_url``.
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL that is told of an account's events of one type: what Cloudinary calls a trigger."""

    id: str
    account_id: str
    url: str
    event_type: str  #: Such as ``moderation``; ``all``; or ``default`` for the account's own notification URL.
    secret: str | None = field(repr=False)  #: ``None`` where the account's signs.
    secret_before: str | None = field(repr=False)
    secret_until: datetime | None  #: Until when the one before signs, too.
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """How the server fares that an account's callbacks to an origin go to."""

    id: str
    account_id: str
    origin: str  #: Scheme, host and port of URLs.
    due_at: datetime | None  #: When to look for a delivery to hand out.
    width: int  #: Attempts that may run at once.
    failures: int  #: Attempts in a row that failed.
    trips: int  #: How often in a row it was paused for that; 0 while it fares well.
    paused_until: datetime | None
    next_at: datetime | None  #: When its rate allows for the next attempt.
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One video of one account; ``public_id`` is its name."""

    id: str
    account_id: str
    public_id: str
    version: int  #: Seconds since the epoch at which these bytes came in.
    location: Location | None  #: Where the bytes belong; ``None`` until a source was fetched.
    bytes: int | None
    etag: str | None  #: As the media store reports it, without quotes.
    facts: Facts | None
    wanted: Placement  #: Where the verdicts want the bytes.
    placed: Placement  #: Where the bytes are.
    due_at: datetime | None
    fence: int
    faults: int
    created_at: datetime
    updated_at: datetime
    restored_at: datetime | None = None  #: When these bytes were brought back from the quarantine.
    resource_type: ResourceType = ResourceType.VIDEO
    type: str = "upload"  #: Cloudinary's delivery type: ``upload``, ``private`` or ``authenticated``.
    format: str | None = None  #: The file's extension, such as ``mp4``.
    original_filename: str | None = None
    display_name: str | None = None
    asset_folder: str | None = None
    tags: tuple[str, ...] = ()
    context: dict[str, str] = field(default_factory=dict)
    backup: bool = False  #: Whether its bytes are kept when it is deleted or overwritten.
    deleted_at: datetime | None = None
    fingerprint: str | None = None  #: What these bytes are recognised by: their SHA-256, where we know it.
    ours: bool = False  #: Whether this service has stored the bytes for this asset, and may delete them.
    md5: str | None = None  #: Of all bytes; ``None`` where they did not come in whole.

    @property
    def shown_etag(self) -> str | None:
        """Return what programs are told: the MD5 where it is known, else what the media store says."""
        return self.md5 or self.etag


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetVersion:
    """Bytes that an asset had, and that are kept."""

    id: str
    asset_id: str
    version: int  #: The asset's while these were its bytes.
    location: Location
    bytes: int
    etag: str | None
    fingerprint: str | None
    format: str | None
    facts: Facts | None
    created_at: datetime  #: When they were overwritten or deleted.
    ours: bool = False  #: As the asset's.
    md5: str | None = None  #: As the asset's.


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderation:
    """One request to judge one asset by one kind."""

    id: str
    account_id: str
    asset_id: str
    asset_version: int | None = None  #: The asset's version that was judged; ``None`` until it was probed.
    kind: Kind
    policy: str  #: The moderation parameter, canonical where it could be read.
    source: str  #: Where the video comes from, as the producer said it.
    idempotency_key: str | None
    notification_urls: tuple[str, ...]
    priority: int  #: Higher goes first.
    stage: Stage
    stage_since: datetime | None = None  #: When it came into its stage, where that is known.
    status: Status
    due_at: datetime | None
    fence: int
    faults: int  #: Transient faults in a row in this stage.
    attempt: int  #: Rekognition runs begun; part of the client request token.
    pool: str | None
    min_confidence: float | None  #: 0-100, from where on labels are needed: what Rekognition is asked for.
    request_token: str | None
    job_id: str | None
    looks: int  #: How often this job was looked at.
    hinted_at: datetime | None = None  #: When a message about the job last made it due.
    labels_key: str | None  #: Where all labels of the job are kept in the media store.
    label_count: int | None
    model_version: str | None
    fingerprint: str | None = None  #: Of the bytes that were probed, as long as they are the asset's.
    labels_of: str | None = None  #: The moderation whose job the labels are from; ``None`` for its own.
    superseded: bool = False  #: Whether a later one of the same kind is the asset's.
    chain: str | None = None  #: What the moderations of one request have in common, if there are several.
    chain_position: int = 0  #: Where in that chain: each waits for the approval of the one before.
    retries: int = 0  #: How often it was begun anew after an abort.
    rejudges: str | None = None  #: The moderation that this one judges by another policy, without a job.
    verdict: dict[str, Any] | None
    decided_by: str | None  #: ``policy``, or ``human:NAME``.
    decisions: int  #: How many decisions there were, overrides included.
    error_code: str | None
    error_reason: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None  #: When the job was started.
    ended_at: datetime | None  #: When the job was seen to have ended.
    decided_at: datetime | None

    def log_context(self) -> dict[str, Any]:
        """Return what every log line about this moderation carries."""
        return {"moderation_id": self.id, "asset_id": self.asset_id, "attempt": self.attempt}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One callback to one URL."""

    id: str  #: The same over all attempts, so that a receiver can recognise a repetition.
    account_id: str
    endpoint_state_id: str
    moderation_id: str | None
    asset_id: str | None
    event: str
    sequence: int  #: How many decisions about the asset there were with the one that this tells of.
    url: str
    body: str  #: The exact text that is signed and sent.
    stage: DeliveryStage
    due_at: datetime | None
    fence: int
    led_by: str | None  #: While it is sent: the first of those that one thread attempts one after the other.
    attempt: int
    last_status: int | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to deliver a callback, as it went."""

    id: str
    delivery_id: str
    attempt: int  #: From 1; begins anew when the delivery is replayed.
    request_headers: dict[str, str]  #: Without the signatures.
    status: int | None
    response_headers: dict[str, str] | None
    response_body: str | None  #: Its beginning.
    seconds: float
    error: str | None
    created_at: datetime
