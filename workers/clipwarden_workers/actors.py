"""All actors, declared on a broker: the one place that says which name, queue and function belong together."""

from collections.abc import Callable
from typing import Any

import dramatiq

from clipwarden import errors, metrics
from clipwarden.broker.retries import MAX_RETRIES
from clipwarden.moderation import Stage
from clipwarden_workers import turn
from clipwarden_workers.apply import apply
from clipwarden_workers.bulk import bulk
from clipwarden_workers.bus import QUEUE_OF, Queue, Step
from clipwarden_workers.collect import collect
from clipwarden_workers.decide import decide
from clipwarden_workers.erase import erase
from clipwarden_workers.intake import intake
from clipwarden_workers.notify import notify
from clipwarden_workers.probe import probe
from clipwarden_workers.services import Services
from clipwarden_workers.start import start
from clipwarden_workers.sweep import sweep

#: The steps that work on a moderation, and the stages they work in.
_MODERATING: dict[Step, tuple[tuple[Stage, ...], turn.Work]] = {
    Step.PROBE: ((Stage.INTAKE,), probe),
    Step.START: ((Stage.STARTING,), start),
    Step.COLLECT: ((Stage.ANALYSING, Stage.COLLECTING), collect),
    Step.DECIDE: ((Stage.JUDGING,), decide),
}


def declare(services: Services) -> None:
    """Declare every actor on the services' broker."""

    def on_message(message: dict[str, Any]) -> None:
        with metrics.timed_turn("intake"):
            intake(services, message)

    def on_asset(row_id: str, fence: int) -> None:
        apply(services, row_id, fence)

    def on_delivery(row_id: str, fence: int) -> None:
        notify(services, row_id, fence)

    def on_leftover(row_id: str, fence: int) -> None:
        sweep(services, row_id, fence)

    def on_erasure(row_id: str, fence: int) -> None:
        erase(services, row_id, fence)

    def on_job(row_id: str, fence: int) -> None:
        bulk(services, row_id, fence)

    # A producer's message has no row yet, so it is the bus that must keep it until the database can take it.
    _declare(services, "intake", Queue.INTAKE, on_message, throws=errors.PermanentError, retry_when=_worth_a_retry)
    for step, (stages, work) in _MODERATING.items():
        _declare(services, step, QUEUE_OF[step], _moderating(services, step, stages, work))
    _declare(services, Step.APPLY, QUEUE_OF[Step.APPLY], on_asset)
    _declare(services, Step.NOTIFY, QUEUE_OF[Step.NOTIFY], on_delivery)
    _declare(services, Step.SWEEP, QUEUE_OF[Step.SWEEP], on_leftover)
    _declare(services, Step.ERASE, QUEUE_OF[Step.ERASE], on_erasure)
    _declare(services, Step.BULK, QUEUE_OF[Step.BULK], on_job)


def _worth_a_retry(retries: int, fault: BaseException) -> bool:
    return isinstance(fault, errors.TransientError) or retries < MAX_RETRIES


def _moderating(
    services: Services, step: Step, stages: tuple[Stage, ...], work: turn.Work
) -> Callable[[str, int], None]:
    def on_moderation(row_id: str, fence: int) -> None:
        turn.moderate(services, step, row_id, fence, stages=stages, work=work)

    return on_moderation


def _declare(services: Services, name: str, queue: Queue, work: Callable[..., None], **options: Any) -> None:
    dramatiq.Actor(work, broker=services.broker, actor_name=name, queue_name=queue, priority=0, options=options)
