"""Sending the pipeline's own messages: which actor works on which row, and on which queue."""

from collections.abc import Iterable
from enum import StrEnum
from typing import cast

import dramatiq

from clipwarden import errors, logs, metrics, traceparent
from clipwarden.broker.opening import Countable
from clipwarden.broker.queues import Queue
from clipwarden.moderation import Stage

__all__ = ["QUEUE_OF", "STEP_OF", "Bus", "Queue", "Step"]

log = logs.logger(__name__)


class Step(StrEnum):
    """The actors that work on a row; each takes ``(id, fence)``."""

    PROBE = "probe"
    START = "start"
    COLLECT = "collect"
    DECIDE = "decide"
    APPLY = "apply"
    NOTIFY = "notify"
    SWEEP = "sweep"
    ERASE = "erase"
    BULK = "bulk"


QUEUE_OF = {
    Step.PROBE: Queue.MEDIA,
    Step.START: Queue.MODERATE,
    Step.COLLECT: Queue.MODERATE,
    Step.DECIDE: Queue.MODERATE,
    Step.APPLY: Queue.MEDIA,
    Step.NOTIFY: Queue.NOTIFY,
    Step.SWEEP: Queue.MEDIA,
    Step.ERASE: Queue.MEDIA,
    Step.BULK: Queue.MEDIA,
}

#: What works on a moderation in each stage that something works on.
STEP_OF = {
    Stage.INTAKE: Step.PROBE,
    Stage.STARTING: Step.START,
    Stage.ANALYSING: Step.COLLECT,
    Stage.COLLECTING: Step.COLLECT,
    Stage.JUDGING: Step.DECIDE,
}


class Bus:
    """Sends messages; a message that cannot be sent is not an error, for its row falls due again."""

    def __init__(self, broker: dramatiq.Broker) -> None:
        self._broker = broker

    def waiting(self, queue: Queue) -> int:
        """Return how many messages of a queue are not acknowledged; raises BusUnavailable."""
        return cast("Countable", self._broker).messages(queue)["unacknowledged"]

    def send(self, step: Step, row_id: str, fence: int) -> bool:
        """Send one step's message, and say whether the bus took it."""
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=QUEUE_OF[step], actor_name=step, args=(row_id, fence), kwargs={}, options=traceparent.options()
        )
        try:
            self._broker.enqueue(message)
        except errors.BusUnavailable as exc:
            log.warning("message not sent", step=step, row_id=row_id, reason=str(exc))
            return False
        metrics.SENT.labels(step).inc()
        return True

    def send_each(self, messages: Iterable[tuple[Step, str, int]]) -> bool:
        """Send messages up to the first that the bus does not take, and say whether it took all.

        A bus that hangs takes seconds to refuse each, and whoever sends has other things to do.
        """
        return all(self.send(*message) for message in messages)
