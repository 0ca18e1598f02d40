"""What requests about callbacks ask for, and what their answers say: endpoints, their secrets, and deliveries."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from clipwarden.message import Text
from clipwarden.moderation import DeliveryStage
from clipwarden.samples import Sample
from clipwarden_api.v1.models import Saying
from clipwarden_api.v1.requests import Asking, Moment, Name, Paging

EventType = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Url = Annotated[Text, Field(min_length=1, max_length=2000, pattern=r"^https?://[^\s,]+$")]
UrlOrBeginning = Annotated[Text, Field(min_length=1, max_length=2000)]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
AssetId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class EndpointRequest(Asking):
    """Asks that a URL be told of the account's events."""

    url: Url
    event_type: EventType = Field(default="all", description="Such as `moderation`, or `all`.")


class EndpointChange(Asking):
    """What is to be different; `enabled` holds for all endpoints with this URL."""

    url: Url | None = None
    event_type: EventType | None = Field(default=None, description="Such as `moderation`, or `all`.")
    enabled: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> "EndpointChange":
        if not self.model_dump(exclude_none=True):
            raise ValueError("name what is to change: url, event_type or enabled")
        return self


class Server(Saying):
    """How the server fares that an endpoint's callbacks go to: what one origin, of one account, has in common."""

    origin: str
    state: Literal["well", "paused", "disabled"]
    failures: int = Field(description="Attempts in a row that failed.")
    paused_until: datetime | None
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None


class Endpoint(Saying):
    """A URL that is told of events."""

    id: str
    url: str
    event_type: str = Field(
        description="Or `all`; `default`: the account's own URL; `per-call`: one that calls named, told no more."
    )
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    own_secret: bool = Field(description="Whether its secret is its own, not the account's.")
    server: Server | None = Field(description="Null until it was told of something.")
    created_at: datetime
    updated_at: datetime


class EndpointList(Saying):
    """All endpoints, the oldest first."""

    items: list[Endpoint]


class Secrets(Saying):
    """What callbacks are verified by, as Standard Webhooks has it."""

    secrets: list[str] = Field(description="All that sign now, the newest first; any of them verifies.")


class Rotated(Saying):
    """A secret was replaced."""

    old_signs_until: datetime = Field(description="Until then the one before signs, too.")


class DeliveryFilter(Asking):
    """Which deliveries are meant: those that match all that is given."""

    stage: DeliveryStage | None = None
    event: EventType | None = Field(default=None, description="Such as `moderation`.")
    url: UrlOrBeginning | None = Field(default=None, description="The whole URL, or its beginning and a `*`.")
    endpoint_id: Id | None = Field(default=None, description="To this endpoint's present URL; instead of `url`.")
    moderation_id: Id | None = None
    asset_id: AssetId | None = None
    created_since: Moment | None = Field(default=None, description="Made then or later.")
    created_before: Moment | None = Field(default=None, description="Made earlier than that.")

    @model_validator(mode="after")
    def _one_place(self) -> "DeliveryFilter":
        if self.url is not None and self.endpoint_id is not None:
            raise ValueError("name url or endpoint_id, not both")
        return self


class DeliveryListing(DeliveryFilter, Paging):
    """Which page of which deliveries is asked for."""


class Replaying(DeliveryFilter):
    """Asks that deliveries be sent again."""

    as_of: Moment | None = Field(
        default=None, description="To go on: the `as_of` of the answer before. What was sent since is left alone."
    )

    @model_validator(mode="after")
    def _some(self) -> "Replaying":
        if not self.model_dump(exclude_none=True, exclude={"as_of"}):
            raise ValueError("name which: without any filter, everything would be sent again")
        return self


class Delivery(Saying):
    """One callback to one URL."""

    id: str = Field(description="Its `webhook-id`, the same over all attempts.")
    stage: DeliveryStage
    event: str
    url: str
    moderation_id: str | None
    asset_id: str | None
    sequence: int
    attempts: int = Field(description="Since it was made, or replayed.")
    last_status: int | None
    last_error: str | None
    due_at: datetime | None = Field(description="When the next attempt is to be made.")
    created_at: datetime
    updated_at: datetime
    delivered_at: datetime | None


class DeliveryPage(Saying):
    """Some deliveries, the newest first."""

    items: list[Delivery]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class Attempt(Saying):
    """How one attempt went."""

    attempt: int
    at: datetime
    seconds: float
    request_headers: dict[str, str] = Field(description="Without the signatures.")
    status: int | None
    response_headers: dict[str, str] | None
    response_body: str | None = Field(description="Its beginning.")
    error: str | None


class DeliveryShown(Delivery):
    """One callback with what was sent, and how it was answered."""

    body: str = Field(description="The exact text that is signed and sent.")
    log: list[Attempt] = Field(description="The oldest first, for as long as they are kept.")


class Replayed(Saying):
    """How many deliveries will be sent again."""

    replayed: int
    more: bool = Field(description="Whether there are more: ask again, with `as_of`.")
    as_of: datetime


class Testing(Asking):
    """Asks for a test event."""

    sample: Sample = Field(
        default=Sample.TEST, description='As which event it is told: with `"test": true`, of an asset that nobody has.'
    )
    by: Name | None = Field(default=None, description="Who; the API key when it is left out. The event tells it.")
