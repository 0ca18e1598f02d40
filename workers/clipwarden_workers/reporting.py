"""Writing down how the attempts of a stretch went, with all that follows, in one transaction: all happens or none.

What follows: when deliveries are due again, what their endpoint may be asked next, lines in the log of attempts, and
the stretches that have room now.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from clipwarden import callback, logs, metrics, telling
from clipwarden.moderation import Delivery, DeliveryStage, EndpointState
from clipwarden.settings import CallbackSettings
from clipwarden.store import attempts, audit, deliveries, endpoint_states, endpoints, stretches
from clipwarden.store.endpoint_states import Limits
from clipwarden.store.leases import Due
from clipwarden_workers import backoff, tasks
from clipwarden_workers.bus import Step
from clipwarden_workers.outcome import Outcome
from clipwarden_workers.tasks import Task

log = logs.logger(__name__)

#: The events that operators of an account are told of by another of its endpoints.
DISABLED = "endpoint_disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """A delivery that was attempted, and how that went."""

    task: Task
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report has led to."""

    #: What was written down; nothing of deliveries that somebody else has moved on.
    stages: Sequence[tuple[Attempted, DeliveryStage]] = ()
    fenced: int = 0
    paused: bool = False
    disabled: str | None = None  #: Why the endpoint, or its URL, is called no more.
    handed_out: Sequence[Due] = ()  #: The first of each stretch.


def report(
    conn: Connection,
    attempted: Sequence[Attempted],
    rest: Sequence[Task],
    settings: CallbackSettings,
    *,
    now: datetime,
    until: datetime,
    each: int,
) -> Report:
    """Write down how attempts went, and give the rest of their stretch back.

    Of what was taken over, because this process was paused past its lease, nothing is changed. ``each`` is how long the
    next stretches may be.
    """
    limits = _limits(conn, attempted, settings, now)
    before = endpoint_states.locked(conn, attempted[0].task.delivery.endpoint_state_id)
    held = stretches.held(conn, [*(one.task.delivery for one in attempted), *(task.delivery for task in rest)])
    ours = [one for one in attempted if one.task.delivery.id in held]
    stages = _end(conn, ours, settings, now, enabled=before.disabled_at is None)
    state = _judged(conn, before, [one.outcome for one in ours], settings, limits=limits, now=now)
    stretches.give_back(conn, held & {task.delivery.id for task in rest})
    disabled = _disable(conn, before, state, ours, now=now)
    handed_out = endpoint_states.hand_out(conn, state, tasks.limits(settings), now=now, until=until, each=each)
    return Report(
        stages=stages,
        fenced=len(attempted) - len(ours),
        paused=state.trips > before.trips,
        disabled=disabled,
        handed_out=handed_out,
    )


def _limits(conn: Connection, attempted: Sequence[Attempted], settings: CallbackSettings, now: datetime) -> Limits:
    """Return the endpoint's limits; and lock the states of those first that may have to be told of its end.

    Where none of these are locked, failing does not end it now: the next failure will.
    """
    task, outcomes, limits = attempted[0].task, [one.outcome for one in attempted], tasks.limits(settings)
    failed_long = any(outcome.error for outcome in outcomes) and _has_failed_long(
        conn, task.delivery.endpoint_state_id, settings, now
    )
    if not failed_long and not any(outcome.gone for outcome in outcomes):
        return replace(limits, patience=timedelta.max)
    others = endpoints.told(conn, task.account, DISABLED)
    endpoint_states.hold(conn, task.account.id, [task.delivery.url, *others], now=now)
    return limits


def _has_failed_long(conn: Connection, id: str, settings: CallbackSettings, now: datetime) -> bool:
    since = endpoint_states.by_id(conn, id).failing_since
    return since is not None and now - since > tasks.limits(settings).patience


def _due(
    delivery: Delivery, outcome: Outcome, settings: CallbackSettings, now: datetime, *, enabled: bool
) -> datetime | None:
    """Return when the delivery is to be attempted again: by the schedule, but not before the endpoint wants it."""
    if outcome.final or not enabled or delivery.attempt >= len(settings.schedule):
        return None
    pause = backoff.jittered(settings.schedule[delivery.attempt], settings.jitter)
    return now + max(pause, _wait(outcome, settings, now))


def _wait(outcome: Outcome, settings: CallbackSettings, now: datetime) -> timedelta:
    return outcome.wait(now, timedelta(seconds=settings.longest_retry_after))


def _end(
    conn: Connection, ours: Sequence[Attempted], settings: CallbackSettings, now: datetime, *, enabled: bool
) -> list[tuple[Attempted, DeliveryStage]]:
    """Write down where the attempts leave their deliveries, and keep how they went."""
    if not ours:
        return []
    changes = {}
    for one in ours:
        due_at = _due(one.task.delivery, one.outcome, settings, now, enabled=enabled)
        changes[one.task.delivery.id] = _changes(one, due_at)
    stretches.end(conn, changes, now=now)
    attempts.record(conn, [_entry(one) for one in ours])
    return [(one, changes[one.task.delivery.id]["stage"]) for one in ours]


def _changes(one: Attempted, due_at: datetime | None) -> dict[str, Any]:
    stage = one.outcome.stage if due_at is None else DeliveryStage.WAITING
    return {
        "stage": stage,
        "due_at": due_at,
        "attempt": one.task.delivery.attempt + 1,
        "last_status": one.outcome.status,
        "last_error": one.outcome.error,
        "delivered_at": one.outcome.ended if stage is DeliveryStage.DELIVERED else None,
    }


def _entry(one: Attempted) -> dict[str, Any]:
    return attempts.entry(
        one.task.delivery,
        request_headers=one.outcome.request_headers,
        status=one.outcome.status,
        response_headers=one.outcome.headers,
        response_body=one.outcome.body,
        seconds=one.outcome.seconds,
        error=one.outcome.error,
        now=one.outcome.ended,
    )


def _judged(
    conn: Connection,
    state: EndpointState,
    outcomes: Sequence[Outcome],
    settings: CallbackSettings,
    *,
    limits: Limits,
    now: datetime,
) -> EndpointState:
    """Return what the attempts, in their order, have taught about the endpoint."""
    for outcome in outcomes:
        if outcome.error is None:
            state = endpoint_states.succeeded(conn, state, limits, now=now)
        elif not (outcome.refused or outcome.gone):  # Those are the URL's fault, not the endpoint's.
            wait = _wait(outcome, settings, now)
            state = endpoint_states.failed(conn, state, limits, unable=outcome.unable, wait=wait, now=now)
    return state


def _disable(
    conn: Connection, before: EndpointState, state: EndpointState, ours: Collection[Attempted], *, now: datetime
) -> str | None:
    """Call no more what wants no more, or has failed for too long; and let the account know."""
    reason = None
    for one in ours:
        if one.outcome.gone:
            url = one.task.delivery.url
            endpoints.disable(conn, one.task.account, url, reason="gone", now=now)
            given_up = deliveries.give_up(conn, state.id, url=url, reason="the receiver answered 410", now=now)
            reason = _announce(conn, one.task, url, "gone", given_up, now=now)
    if state.disabled_at is not None:
        given_up = deliveries.give_up(conn, state.id, url=None, reason=deliveries.DISABLED, now=now)
        if before.disabled_at is None and ours:
            task = next(iter(ours)).task
            reason = _announce(conn, task, state.origin, "failing", given_up, now=now)
    return reason


def _announce(conn: Connection, task: Task, endpoint: str, reason: str, given_up: int, *, now: datetime) -> str:
    account, own = task.account, endpoint_states.origin(task.delivery.url)
    body = callback.disabled_body(account, endpoint, reason=reason, waiting=given_up, triggered_at=now)
    others = [url for url in endpoints.told(conn, account, DISABLED) if endpoint_states.origin(url) != own]
    telling.to(conn, account, DISABLED, body, urls=others, now=now)
    detail = {"endpoint": endpoint, "reason": reason, "given_up": given_up}
    audit.record(conn, account_id=account.id, actor="policy", action="endpoint_disabled", now=now, detail=detail)
    return reason


def announce(report: Report) -> None:
    """Tell logs and metrics what was written down."""
    for one, stage in report.stages:
        _tell(one, stage)
    if report.fenced:
        metrics.FENCED.labels(Step.NOTIFY).inc(report.fenced)
    if report.paused:
        metrics.ENDPOINTS_PAUSED.inc()
        log.warning("endpoint paused", origin=_origin(report))
    if report.disabled:
        metrics.ENDPOINTS_DISABLED.labels(report.disabled).inc()
        log.error("endpoint disabled", origin=_origin(report), reason=report.disabled)


def _tell(one: Attempted, stage: DeliveryStage) -> None:
    delivery, outcome = one.task.delivery, one.outcome
    how = "retry" if stage is DeliveryStage.WAITING else str(stage)
    metrics.DELIVERIES.labels(how).inc()
    metrics.DELIVERY_SECONDS.labels(how).observe(outcome.seconds)
    if delivery.attempt == 0:
        # Nothing changes this moment until then but a replay, which is an event as well.
        waited = (outcome.ended - delivery.updated_at).total_seconds() - outcome.seconds
        metrics.DELIVERY_WAIT.observe(max(0.0, waited))
    context = {"delivery_id": delivery.id, "moderation_id": delivery.moderation_id, "attempt": delivery.attempt + 1}
    if stage is DeliveryStage.DELIVERED:
        metrics.DELIVERY_DELAY.observe(max(0.0, (outcome.ended - delivery.created_at).total_seconds()))
        log.info("callback delivered", status=outcome.status, **context)
    else:
        final = stage is DeliveryStage.FAILED
        log.warning("callback not delivered", status=outcome.status, reason=outcome.error, final=final, **context)


def _origin(report: Report) -> str:
    one, _ = report.stages[0]
    return endpoint_states.origin(one.task.delivery.url)
