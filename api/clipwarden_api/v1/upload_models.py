"""What requests about uploads in parts ask for, and what their answers say."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from clipwarden.media.store import LAST_PART, LEAST_PART
from clipwarden.message import MAX_NOTIFICATION_URLS, Text
from clipwarden_api.v1.models import AssetNamed, Moderation, Saying
from clipwarden_api.v1.requests import Asking, Name, Parameter

_MIB = 1024**2
#: What one part has at most: S3 takes five times that.
_MOST_PART = 1024 * _MIB

Tag = Annotated[Text, Field(min_length=1, max_length=255, pattern=r"^[^,]+$")]
Url = Annotated[Text, Field(min_length=1, max_length=4096, pattern=r"^https?://[^\s,]+$")]
Etag = Annotated[str, Field(min_length=1, max_length=200)]


def _few(context: dict[str, str]) -> dict[str, str]:
    if len(context) > 1000:  # noqa: PLR2004 # as many as tags
        raise ValueError("context has 1000 pairs at most")
    return context


class UploadRequest(Asking):
    """Announces a file that is to come in parts, straight to the media store, and what is to become of it."""

    filename: Name = Field(description="As the asset's original file name.")
    bytes: int = Field(ge=1, description="Of the whole file; just so many have to come.")
    part_bytes: int = Field(
        default=64 * _MIB, ge=LEAST_PART, le=_MOST_PART, description="Of every part but the last, which has the rest."
    )
    content_type: (
        Annotated[
            str, Field(max_length=100, pattern=r"^(video/[a-z0-9.+-]+|image/[a-z0-9.+-]+|application/octet-stream)$")
        ]
        | None
    ) = Field(default=None, description="What the media store keeps as the object's type.")
    resource_type: Literal["video", "image", "raw", "auto"] = "video"
    type: Literal["upload", "private", "authenticated"] | None = None
    public_id: Name | None = Field(default=None, description="The asset's name; made up when it is left out.")
    folder: Name | None = Field(default=None, description="What the name begins with.")
    asset_folder: Name | None = None
    display_name: Name | None = None
    use_filename: bool | None = Field(default=None, description="Whether the name is made of the file's.")
    unique_filename: bool | None = Field(default=None, description="Whether that gets some random characters.")
    overwrite: bool | None = Field(
        default=None, description="Whether an asset of this name gets the new bytes; so it does when it is left out."
    )
    backup: bool | None = Field(default=None, description="Whether bytes that are overwritten or deleted are kept.")
    tags: Annotated[list[Tag], Field(max_length=1000)] | None = None
    context: Annotated[dict[Tag, Text], AfterValidator(_few)] | None = None
    moderation: Parameter | None = Field(
        default=None, description="The moderation parameter; without one, and none of the preset's, nobody judges."
    )
    preset: Name | None = Field(default=None, description="An upload preset, whose options hold where none are given.")
    notification_urls: Annotated[list[Url], Field(max_length=MAX_NOTIFICATION_URLS)] | None = Field(
        default=None, description="Where callbacks go; the preset's or the account's when it is left out."
    )


class PartNamed(Asking):
    """A part, as the media store answered to whoever sent it."""

    number: int = Field(ge=1, le=LAST_PART)
    etag: Etag = Field(description="The answer's `ETag`, with or without its quotes.")


class Completion(Asking):
    """Says that all parts have been sent."""

    parts: Annotated[list[PartNamed], Field(max_length=LAST_PART)] | None = Field(
        default=None, description="Those that are named must have come just so; what has come is known without them."
    )


class PartPaging(Asking):
    """Which of the missing parts are asked for."""

    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,5}$")] | None = Field(
        default=None, description="The `next` of the page before."
    )
    limit: int = Field(default=100, ge=1, le=1000, description="The most parts of a page.")


class UploadPart(Saying):
    """A part that has not come."""

    number: int
    bytes: int
    url: str = Field(description="Where it is to be sent by PUT, with a Content-Length of just these bytes.")


class Upload(Saying):
    """A file that comes in parts, straight to the media store."""

    id: str
    status: Literal["open", "completed", "discarded"]
    filename: str
    bytes: int
    part_bytes: int
    part_count: int
    received_bytes: int = Field(description="Of parts that have come, each of its length.")
    missing: list[UploadPart] = Field(description="Parts that have not come, in their order.")
    next: str | None = Field(description="The cursor of the next page of missing parts; null on the last one.")
    expires_at: datetime = Field(description="Until then URLs are good, and what has come is kept.")
    asset: AssetNamed | None = Field(description="What it has become.")
    moderations: list[Moderation] = Field(description="Those of the asset, once it has become one.")
