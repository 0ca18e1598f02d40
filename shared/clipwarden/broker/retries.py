"""Retries that cannot be lost: a failed message is acknowledged only after its retry is safely in Redis."""

import logging
import time
from typing import Any

import dramatiq
from dramatiq.middleware import Retries

from clipwarden import errors

log = logging.getLogger(__name__)

#: Few and short, in milliseconds: waits of the domain are rows in the database, and a lost retry only costs a lease.
MAX_RETRIES, MIN_BACKOFF_MS, MAX_BACKOFF_MS = 3, 100, 5_000
#: Seconds between two attempts to hand a retry to a Redis that is away.
PAUSE = 0.5


class SafeRetries(Retries):
    """Dramatiq's retries, which wait for Redis instead of giving the message up when it cannot be reached."""

    def __init__(self) -> None:
        super().__init__(max_retries=MAX_RETRIES, min_backoff=MIN_BACKOFF_MS, max_backoff=MAX_BACKOFF_MS)

    def after_process_message(
        self, broker: dramatiq.Broker, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Enqueue a failed message again, however long that takes.

        Dramatiq only logs what is raised here and then acknowledges the message. A process that is stopped meanwhile
        leaves it unacknowledged, so that another one takes it over.
        """
        waiting = _Patient(broker)
        super().after_process_message(  # type: ignore[no-untyped-call] # Dramatiq's gap
            waiting, message, result=result, exception=exception
        )


class _Patient:
    """The part of a broker that Retries uses, with an ``enqueue`` that does not return before it has succeeded."""

    def __init__(self, broker: dramatiq.Broker) -> None:
        self._broker = broker
        self.get_actor = broker.get_actor

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        while True:
            try:
                return self._broker.enqueue(message, delay=delay)
            except errors.BusUnavailable as exc:
                log.warning("waiting to retry %s: %s", message.message_id, exc)
                time.sleep(PAUSE)
