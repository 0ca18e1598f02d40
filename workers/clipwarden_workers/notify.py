"""The actor ``notify``: one attempt to deliver one callback, signed anew, with the body as it was decided."""

from datetime import datetime, timedelta

import structlog

from clipwarden import callback, errors, logs, metrics
from clipwarden.moderation import Delivery, DeliveryStage
from clipwarden.store import accounts, deliveries, leases, schema
from clipwarden.store.engine import read, write
from clipwarden_workers import backoff
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def notify(services: Services, delivery_id: str, fence: int) -> None:
    """Attempt the delivery; what fails is due again by the schedule until that is exhausted."""
    delivery = _take(services, delivery_id, fence)
    if delivery is None:
        metrics.FENCED.labels(Step.NOTIFY).inc()
        return
    context = {"delivery_id": delivery.id, "moderation_id": delivery.moderation_id, "attempt": delivery.attempt + 1}
    with (
        structlog.contextvars.bound_contextvars(**context),
        services.claims.holding(schema.deliveries, delivery.id, delivery.fence),
    ):
        try:
            status = _post(services, delivery)
        except (errors.DeliveryFailed, errors.PermanentError) as exc:
            _failed(services, delivery, exc)
        else:
            _end(services, delivery, DeliveryStage.DELIVERED, status=status, error=None)
            log.info("callback delivered", status=status)


def _take(services: Services, delivery_id: str, fence: int) -> Delivery | None:
    with write(services.engine) as conn:
        until = services.lease(services.clock.now())
        row = leases.take(
            conn, schema.deliveries, delivery_id, fence=fence, until=until, stages=(DeliveryStage.WAITING,)
        )
    return deliveries.parse(row) if row is not None else None


def _post(services: Services, delivery: Delivery) -> int:
    with read(services.engine) as conn:
        account = accounts.by_id(conn, delivery.account_id)
    if account is None:
        raise errors.NotFound("the account is gone")
    headers = callback.headers(delivery.body, delivery.id, account, services.clock.now())
    answer = services.egress.post(delivery.url, headers=headers, body=delivery.body.encode())
    if not 200 <= answer.status < 300:  # noqa: PLR2004 # success, as HTTP spells it
        raise errors.DeliveryFailed(f"the receiver answered {answer.status}", status=answer.status)
    return answer.status


def _failed(services: Services, delivery: Delivery, fault: errors.ClipwardenError) -> None:
    status = fault.status if isinstance(fault, errors.DeliveryFailed) else None
    schedule = services.settings.callback.schedule
    final = isinstance(fault, errors.PermanentError) or delivery.attempt >= len(schedule)
    log.warning("callback not delivered", code=fault.code, reason=str(fault), final=final)
    if final:
        _end(services, delivery, DeliveryStage.FAILED, status=status, error=str(fault))
        return
    pause = backoff.jittered(schedule[delivery.attempt])
    _end(services, delivery, DeliveryStage.WAITING, status=status, error=str(fault), pause=pause)


def _end(
    services: Services,
    delivery: Delivery,
    stage: DeliveryStage,
    *,
    status: int | None,
    error: str | None,
    pause: timedelta | None = None,
) -> None:
    now = services.clock.now()
    with write(services.engine) as conn:
        leases.advance(
            conn,
            schema.deliveries,
            delivery.id,
            fence=delivery.fence,
            now=now,
            stage=stage,
            due_at=_due(now, pause),
            attempt=delivery.attempt + 1,
            last_status=status,
            last_error=error,
            delivered_at=now if stage is DeliveryStage.DELIVERED else None,
        )
    metrics.DELIVERIES.labels("retry" if pause else str(stage)).inc()


def _due(now: datetime, pause: timedelta | None) -> datetime | None:
    return now + pause if pause is not None else None
