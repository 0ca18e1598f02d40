"""The message by which a video enters: its fields, their bounds, and the way onto the bus and off it.

``docs/reference/messages.md`` describes it for producers in other languages.
"""

import re
import uuid
from typing import Annotated, Any, Literal, Self

import dramatiq
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from clipwarden import errors, ids

#: Where the message goes.
QUEUE = ACTOR = "intake"
#: URLs that one moderation's callbacks may go to.
MAX_NOTIFICATION_URLS = 10

# A database cannot keep a NUL or half a surrogate pair, and the others have no place in a line of a log.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def _printable(text: str) -> str:
    if _UNPRINTABLE.search(text):
        raise ValueError("control characters and lone surrogates are not allowed")
    return text


def _canonical_uuid(text: str) -> str:
    return str(uuid.UUID(text))


Text = Annotated[str, AfterValidator(_printable)]


class IntakeMessage(BaseModel):
    """A producer's request to moderate one video, in version 1 of its format."""

    # Fields of later minor versions are passed over, so that producers may be updated before workers.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    v: Literal[1] = 1
    id: Annotated[str, Field(min_length=32, max_length=36), AfterValidator(_canonical_uuid)]
    account: Annotated[Text, Field(min_length=1, max_length=255)] = "default"
    source: Annotated[Text, Field(min_length=1, max_length=4096)]
    moderation: Annotated[Text, Field(min_length=1, max_length=4096)] = "aws_rek_video"
    notification_url: Annotated[Text, Field(max_length=4096)] | None = None
    public_id: Annotated[Text, Field(min_length=1, max_length=255)] | None = None
    idempotency_key: Annotated[Text, Field(min_length=1, max_length=255)] | None = None
    priority: Annotated[int, Field(ge=-100, le=100, strict=True)] = 0

    @field_validator("notification_url")
    @classmethod
    def _bounded(cls, value: str | None) -> str | None:
        if value is not None and len(_split(value)) > MAX_NOTIFICATION_URLS:
            raise ValueError(f"at most {MAX_NOTIFICATION_URLS} URLs are allowed")
        return value

    @property
    def notification_urls(self) -> tuple[str, ...]:
        """Return the URLs that ``notification_url`` names, each once, in their order."""
        return tuple(dict.fromkeys(_split(self.notification_url or "")))

    @classmethod
    def compose(cls, *, idempotency_key: str | None = None, account: str = "default", **fields: Any) -> Self:
        """Return a new message: with an id of its own, or the one that account and key always lead to.

        Raises MessageError for a field that is out of its bounds.
        """
        id_ = ids.new_id() if idempotency_key is None else ids.derived_id(account, idempotency_key)
        return cls._checked({**fields, "id": id_, "account": account, "idempotency_key": idempotency_key})

    @classmethod
    def _checked(cls, payload: object) -> Self:
        try:
            return cls.model_validate(payload)
        except ValidationError as exc:
            raise errors.MessageError(_explain(exc)) from exc

    def to_dramatiq(self) -> "dramatiq.Message[None]":
        """Return the envelope that the actor ``intake`` receives this message in."""
        return dramatiq.Message(
            queue_name=QUEUE,
            actor_name=ACTOR,
            args=(),
            kwargs={"message": self.model_dump(exclude_none=True)},
            options={},
        )


def read(payload: object) -> IntakeMessage:
    """Return the message that a payload is; raises MessageError with a text that names what is wrong with it."""
    return IntakeMessage._checked(payload)  # noqa: SLF001 # the module's own


def _split(urls: str) -> list[str]:
    return urls.replace(",", " ").split()


def _explain(error: ValidationError) -> str:
    faults = (f"{'.'.join(map(str, fault['loc'])) or 'message'}: {fault['msg']}" for fault in error.errors())
    return "unreadable message: " + "; ".join(faults)
