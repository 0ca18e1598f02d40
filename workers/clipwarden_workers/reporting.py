"""Writing down how an attempt went, with all that follows, in one transaction: all of it happens or none.

What follows: when the delivery is due again, what its endpoint may be asked next, a line in the log of attempts, and
the deliveries that have room now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from clipwarden import callback, logs, metrics, telling
from clipwarden.moderation import Delivery, DeliveryStage, EndpointState
from clipwarden.settings import CallbackSettings
from clipwarden.store import attempts, audit, deliveries, endpoint_states, endpoints, leases, schema
from clipwarden.store.endpoint_states import Limits
from clipwarden.store.leases import Due
from clipwarden_workers import backoff, tasks
from clipwarden_workers.outcome import Outcome
from clipwarden_workers.tasks import Task

log = logs.logger(__name__)

#: The events that operators of an account are told of by another of its endpoints.
DISABLED = "endpoint_disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report has led to."""

    stage: DeliveryStage | None  #: ``None`` where somebody else has moved the delivery on.
    paused: bool = False
    disabled: str | None = None  #: Why the endpoint, or its URL, is called no more.
    handed_out: Sequence[Due] = ()


def report(
    conn: Connection, task: Task, outcome: Outcome, settings: CallbackSettings, *, now: datetime, until: datetime
) -> Report:
    """Write down how an attempt went; who was paused past its lease changes nothing."""
    before = endpoint_states.locked(conn, task.delivery.endpoint_state_id)
    limits = tasks.limits(settings)
    wait = outcome.wait(now, timedelta(seconds=settings.longest_retry_after))
    due_at = _due(task.delivery, outcome, settings, wait, now, enabled=before.disabled_at is None)
    if (stage := _end(conn, task.delivery, outcome, due_at, now)) is None:
        return Report(stage=None)
    _log(conn, task.delivery, outcome, now)
    state = _judge(conn, before, outcome, limits, wait=wait, now=now)
    disabled = _disable(conn, task, before, state, outcome=outcome, now=now)
    handed_out = endpoint_states.hand_out(conn, state, limits, now=now, until=until)
    return Report(stage=stage, paused=state.trips > before.trips, disabled=disabled, handed_out=handed_out)


def _due(
    delivery: Delivery,
    outcome: Outcome,
    settings: CallbackSettings,
    wait: timedelta,
    now: datetime,
    *,
    enabled: bool,
) -> datetime | None:
    """Return when the delivery is to be attempted again: by the schedule, but not before the endpoint wants it."""
    if outcome.final or not enabled or delivery.attempt >= len(settings.schedule):
        return None
    return now + max(backoff.jittered(settings.schedule[delivery.attempt], settings.jitter), wait)


def _end(
    conn: Connection, delivery: Delivery, outcome: Outcome, due_at: datetime | None, now: datetime
) -> DeliveryStage | None:
    stage = outcome.stage if due_at is None else DeliveryStage.WAITING
    changed = leases.advance(
        conn,
        schema.deliveries,
        delivery.id,
        fence=delivery.fence,
        now=now,
        stage=stage,
        due_at=due_at,
        attempt=delivery.attempt + 1,
        last_status=outcome.status,
        last_error=outcome.error,
        delivered_at=now if stage is DeliveryStage.DELIVERED else None,
    )
    return stage if changed else None


def _log(conn: Connection, delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    attempts.record(
        conn,
        delivery,
        request_headers=outcome.request_headers,
        status=outcome.status,
        response_headers=outcome.headers,
        response_body=outcome.body,
        seconds=outcome.seconds,
        error=outcome.error,
        now=now,
    )


def _judge(
    conn: Connection, state: EndpointState, outcome: Outcome, limits: Limits, *, wait: timedelta, now: datetime
) -> EndpointState:
    if outcome.error is None:
        return endpoint_states.succeeded(conn, state, limits, now=now)
    if outcome.refused or outcome.gone:
        return state  # This URL's fault, not the endpoint's.
    return endpoint_states.failed(conn, state, limits, unable=outcome.unable, wait=wait, now=now)


def _disable(
    conn: Connection, task: Task, before: EndpointState, state: EndpointState, *, outcome: Outcome, now: datetime
) -> str | None:
    """Call no more what wants no more, or has failed for too long; and let the account know."""
    url = task.delivery.url
    if outcome.gone:
        endpoints.disable(conn, task.account, url, reason="gone", now=now)
        given_up = deliveries.give_up(conn, state.id, url=url, reason="the receiver answered 410", now=now)
        return _announce(conn, task, url, "gone", given_up, now=now)
    if state.disabled_at is None or before.disabled_at is not None:
        return None
    given_up = deliveries.give_up(conn, state.id, url=None, reason="the endpoint is disabled", now=now)
    return _announce(conn, task, state.origin, "failing", given_up, now=now)


def _announce(conn: Connection, task: Task, endpoint: str, reason: str, given_up: int, *, now: datetime) -> str:
    account, own = task.account, endpoint_states.origin(task.delivery.url)
    body = callback.disabled_body(account, endpoint, reason=reason, waiting=given_up, triggered_at=now)
    others = [url for url in endpoints.told(conn, account, DISABLED) if endpoint_states.origin(url) != own]
    telling.to(conn, account, DISABLED, body, urls=others, now=now)
    detail = {"endpoint": endpoint, "reason": reason, "given_up": given_up}
    audit.record(conn, account_id=account.id, actor="policy", action="endpoint_disabled", now=now, detail=detail)
    return reason


def announce(task: Task, outcome: Outcome, found: Report, now: datetime) -> None:
    """Tell logs and metrics what was written down."""
    how = "retry" if found.stage is DeliveryStage.WAITING else str(found.stage)
    metrics.DELIVERIES.labels(how).inc()
    metrics.DELIVERY_SECONDS.labels(how).observe(outcome.seconds)
    if task.delivery.attempt == 0:
        # Nothing changes this moment until then but a replay, which is an event as well.
        waited = (now - task.delivery.updated_at).total_seconds() - outcome.seconds
        metrics.DELIVERY_WAIT.observe(max(0.0, waited))
    if found.stage is DeliveryStage.DELIVERED:
        metrics.DELIVERY_DELAY.observe(max(0.0, (now - task.delivery.created_at).total_seconds()))
        log.info("callback delivered", status=outcome.status)
    else:
        final = found.stage is DeliveryStage.FAILED
        log.warning("callback not delivered", status=outcome.status, reason=outcome.error, final=final)
    if found.paused:
        metrics.ENDPOINTS_PAUSED.inc()
        log.warning("endpoint paused", origin=endpoint_states.origin(task.delivery.url))
    if found.disabled:
        metrics.ENDPOINTS_DISABLED.labels(found.disabled).inc()
        log.error("endpoint disabled", origin=endpoint_states.origin(task.delivery.url), reason=found.disabled)
