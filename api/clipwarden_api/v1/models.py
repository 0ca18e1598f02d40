"""What requests ask for and answers say, as the served document describes it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from clipwarden.message import MAX_NOTIFICATION_URLS, Text
from clipwarden.moderation import Kind, Stage, Status

Name = Annotated[Text, Field(min_length=1, max_length=255)]
Parameter = Annotated[Text, Field(min_length=1, max_length=8192)]
Url = Annotated[Text, Field(min_length=1, max_length=4096, pattern=r"^https?://\S+$")]
Cursor = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("this moment is not within the years 1 to 9999 of UTC") from exc


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Asking(BaseModel):
    """What comes in: nothing else than it names."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Saying(BaseModel):
    """What goes out."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class ModerationRequest(Asking):
    """Asks for the moderation of a video: of one that is elsewhere, by `source`, or of an asset that is there."""

    source: Annotated[Text, Field(min_length=1, max_length=4096, pattern=r"^(s3|https?)://\S+")] | None = Field(
        default=None, description="Where the video is: `s3://BUCKET/KEY` or `http(s)://…`."
    )
    public_id: Name | None = Field(
        default=None, description="With `source`, the new asset's name; alone, the name of a video that is there."
    )
    asset_id: Name | None = Field(default=None, description="An asset that is there.")
    moderation: Parameter | None = Field(
        default=None, description="The moderation parameter; the preset's, or `aws_rek_video`, when it is left out."
    )
    preset: Name | None = Field(
        default=None, description="An upload preset whose moderation and notification URL hold where none are given."
    )
    notification_urls: Annotated[list[Url], Field(max_length=MAX_NOTIFICATION_URLS)] | None = Field(
        default=None, description="Where callbacks go; the preset's or the account's when it is left out."
    )
    priority: int = Field(default=0, ge=-100, le=100, description="Higher goes first.")
    idempotency_key: Name | None = Field(
        default=None, description="For good, there is one moderation of the account with this key."
    )

    @model_validator(mode="after")
    def _one_video(self) -> "ModerationRequest":
        given = {name for name in ("source", "public_id", "asset_id") if getattr(self, name) is not None}
        if not given or ("asset_id" in given and len(given) > 1):
            raise ValueError("name one video: by source, with or without public_id, by public_id, or by asset_id")
        return self


class Instruction(Asking):
    """Says who wants something to be done, and why."""

    by: Name | None = Field(default=None, description="Who; the API key when it is left out.")
    reason: Annotated[Text, Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="Why; it stands in the audit trail."
    )


class Override(Instruction):
    """A human's verdict."""

    verdict: Literal["approved", "rejected"]


class Rejudging(Asking):
    """Asks what another policy says about the labels that are kept."""

    moderation: Parameter = Field(description="The other moderation parameter.")
    apply: bool = Field(default=False, description="Whether to put it into force, as a new moderation.")
    by: Name | None = Field(default=None, description="Who; the API key when it is left out.")


class PolicyQuestion(Asking):
    """Asks what a moderation parameter means."""

    moderation: Parameter
    default_taxonomy: Literal["6.1", "7.0"] | None = Field(
        default=None, description="Where names of both taxonomies are read; the account's when it is left out."
    )


class Paging(Asking):
    """Which page of a list is asked for."""

    cursor: Cursor | None = Field(default=None, description="The `next` of the page before.")
    limit: int = Field(default=50, ge=1, le=500, description="The most items of a page.")


class Listing(Paging):
    """Which moderations are asked for: those that match all that is given."""

    kind: Kind | None = None
    status: Status | None = None
    stage: Stage | None = None
    created_since: Moment | None = Field(default=None, description="Accepted then or later.")
    created_before: Moment | None = Field(default=None, description="Accepted earlier than that.")


class LabelPaging(Asking):
    """Which labels are asked for."""

    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,9}$")] | None = Field(
        default=None, description="The `next` of the page before."
    )
    limit: int = Field(default=1000, ge=1, le=5000, description="The most labels of a page.")


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
