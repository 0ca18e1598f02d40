"""What requests ask for: nothing else than these name, within their bounds."""

from datetime import UTC, datetime
from typing import Annotated, Literal

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


class PolicySimulation(Asking):
    """Asks what another policy would have decided about past moderations, the newest first."""

    moderation: Parameter = Field(description="The other moderation parameter.")
    last: int = Field(default=10_000, ge=1, le=100_000, description="The most moderations that are looked at.")
    kind: Kind = Kind.AWS_REK_VIDEO
    preset: Name | None = Field(
        default=None, description="Only those that were judged by the policy that this preset has now."
    )
    created_since: Moment | None = Field(default=None, description="Accepted then or later.")
    created_before: Moment | None = Field(default=None, description="Accepted earlier than that.")
    flips: int = Field(default=100, ge=0, le=500, description="The most changed verdicts that are listed.")
    cursor: Cursor | None = Field(default=None, description="The `next` or `more_flips` of an earlier answer.")


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
