"""What answers say of moderations, as the served document describes it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clipwarden.moderation import Kind, Stage, Status


class Saying(BaseModel):
    """What goes out."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Reason(Saying):
    """A category that exceeded its threshold."""

    label: str
    path: list[str]
    confidence: float = Field(description="0 to 100, the highest that offends.")
    threshold: float = Field(description="0 to 1.")
    timestamp_ms: int = Field(description="When it was highest.")
    first_ms: int = Field(description="When it first offended.")
    count: int = Field(description="Moments at which it offended.")
    origin: str = Field(description="Where the threshold comes from.")
    source: str | None = Field(description="The category that the policy names.")


class Maximum(Saying):
    """The highest confidence that a category reached, whether it offends or not."""

    path: list[str]
    confidence: float
    timestamp_ms: int
    threshold: float | None = Field(description="0 to 1; null where the category is ignored.")


class Verdict(Saying):
    """What the rules say."""

    status: Literal["approved", "rejected"]
    reasons: list[Reason]
    maxima: list[Maximum]
    label_count: int
    offences: int
    taxonomy: str
    model_version: str | None


class AssetNamed(Saying):
    """The asset that is judged."""

    asset_id: str
    public_id: str
    resource_type: Literal["video", "image", "raw"]
    type: str
    version: int | None = Field(description="The bytes that are judged; null until they were looked at.")


class Chain(Saying):
    """Moderations of one request, each of which waits for the approval of the one before."""

    id: str
    position: int


class Failure(Saying):
    """Why a moderation was aborted."""

    code: str
    message: str


class Moderation(Saying):
    """One request to judge one asset by one kind."""

    id: str
    kind: Kind
    status: Status
    stage: Stage
    moderation: str = Field(description="The moderation parameter, canonical once the video was looked at.")
    asset: AssetNamed
    source: str
    notification_urls: list[str]
    priority: int
    idempotency_key: str | None
    superseded: bool = Field(description="Whether a later one of the same kind is the asset's.")
    chain: Chain | None
    attempt: int = Field(description="Rekognition runs begun.")
    retries: int = Field(description="How often it was begun anew after an abort.")
    rejudges: str | None = Field(description="The moderation that this one judges by another policy.")
    labels_of: str | None = Field(description="The moderation whose job the labels are from.")
    label_count: int | None
    model_version: str | None
    verdict: Verdict | None = Field(description="The rules'; evidence only where a human has decided.")
    decided_by: str | None = Field(description="`policy`, or `human:NAME`.")
    decisions: int
    error: Failure | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    decided_at: datetime | None


class ModerationPage(Saying):
    """Some moderations, newest first."""

    items: list[Moderation]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class AuditEvent(Saying):
    """Something that was done."""

    id: str
    actor: str = Field(description="`policy`, or `human:NAME`.")
    action: str
    detail: dict[str, Any] | None
    created_at: datetime


class AuditPage(Saying):
    """What was done to a moderation, oldest first."""

    items: list[AuditEvent]
    next: str | None


class Erasure(Saying):
    """How far the erasure of an asset is: all that is ever known of one that is erased."""

    asset_id: str
    state: Literal["erasing", "erased"]
    requested_by: str = Field(description="`human:NAME`, or `retention` for what was past its time.")
    requested_at: datetime | None
    erased_at: datetime | None


class Label(Saying):
    """What the model reported at one moment."""

    timestamp_ms: int
    name: str
    parent_name: str
    confidence: float
    taxonomy_level: int | None


class LabelPage(Saying):
    """Labels in the order of their moments."""

    items: list[Label]
    next: str | None


class Judged(Verdict):
    """A policy and what it says."""

    moderation: str


class Rejudged(Saying):
    """Two policies' verdicts on the same labels."""

    present: Judged
    other: Judged
    replaced: bool = Field(description="Whether the asset has other bytes by now.")
    applied: Moderation | None = Field(description="The moderation that puts the other policy into force.")
