"""One attempt to deliver a callback, and what comes of it; nothing is written down from here."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from clipwarden import answers, callback, errors, logs, tracing
from clipwarden.egress import Egress
from clipwarden.moderation import DeliveryStage
from clipwarden_workers.tasks import Task

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt went."""

    request_headers: Mapping[str, str]
    begun: datetime
    seconds: float
    status: int | None = None  #: ``None`` where no answer came.
    headers: Mapping[str, str] | None = None
    body: bytes | None = None
    error: str | None = None  #: ``None`` for a success.
    refused: bool = False  #: The address must not be contacted.

    @property
    def ended(self) -> datetime:
        """Return when it was known."""
        return self.begun + timedelta(seconds=self.seconds)

    @property
    def gone(self) -> bool:
        """Say whether the receiver wants no more of this URL."""
        return self.status == HTTPStatus.GONE

    @property
    def final(self) -> bool:
        """Say whether no further attempt can change it."""
        return self.error is None or self.gone or self.refused

    @property
    def stage(self) -> DeliveryStage:
        """Return where it leaves the delivery, as far as it is final."""
        return DeliveryStage.DELIVERED if self.error is None else DeliveryStage.FAILED

    @property
    def unable(self) -> bool:
        """Say whether the endpoint cannot take callbacks now, whichever they are; half an answer is none."""
        return self.headers is None or answers.unable(self.status)

    def wait(self, now: datetime, longest: timedelta) -> timedelta:
        """Return how long the endpoint asks to be left alone."""
        return answers.wait(self.status, self.headers, now=now, longest=longest)


def attempt(egress: Egress, task: Task, *, now: datetime) -> Outcome:
    """Send the delivery's body, signed now, and return how that went."""
    delivery = task.delivery
    headers = callback.headers(delivery.body, delivery.id, task.account, task.keys, now) | tracing.told()
    began = time.monotonic()
    try:
        answer = egress.post(delivery.url, headers=headers, body=delivery.body.encode())
    except (errors.DeliveryFailed, errors.DestinationRefused) as exc:
        return Outcome(
            request_headers=headers,
            begun=now,
            seconds=time.monotonic() - began,
            status=exc.status if isinstance(exc, errors.DeliveryFailed) else None,
            error=str(exc),
            refused=isinstance(exc, errors.DestinationRefused),
        )
    except Exception as exc:
        # What one callback brings about must not have all be sent again that were attempted before it.
        log.exception("attempt failed", delivery_id=delivery.id)
        unexpected = f"unexpected {type(exc).__name__}"
        return Outcome(request_headers=headers, begun=now, seconds=time.monotonic() - began, error=unexpected)
    well = 200 <= answer.status < 300  # noqa: PLR2004 # success, as HTTP spells it
    return Outcome(
        request_headers=headers,
        begun=now,
        seconds=answer.seconds,
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        error=None if well else f"the receiver answered {answer.status}",
    )
