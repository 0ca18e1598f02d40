"""Endpoints: the URLs that an account has told of its events, and the secrets that sign what they are told."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from clipwarden import errors, telling
from clipwarden.egress.destination import require_callable
from clipwarden.moderation import Endpoint as Row
from clipwarden.moderation import EndpointState
from clipwarden.store import endpoint_states, endpoints
from clipwarden.store.engine import read, write
from clipwarden_api.v1 import deliveries, problems
from clipwarden_api.v1.callback_models import Endpoint, EndpointList, Rotated, Secrets, Server
from clipwarden_api.v1.operation import Answer, Call


def listing(call: Call) -> Answer:
    """Return all endpoints, the account's own notification URL among them."""
    account = call.caller.account
    with read(call.services.engine) as conn:
        known = endpoints.in_force(conn, account)
        states = endpoint_states.of_account(conn, account.id)
    if account.notification_url and all(one.event_type != endpoints.DEFAULT for one in known):
        with write(call.services.engine) as conn:
            endpoints.own(conn, account, now=call.services.clock.now())
            known = endpoints.in_force(conn, account)
    return Answer.of(EndpointList(items=[_said(one, states) for one in known]))


def create(call: Call) -> Answer:
    """Keep an endpoint; raises Problem for a URL that is never called."""
    asked = call.asked
    _require_event(asked.event_type)
    _require_callable(call, asked.url)
    now = call.services.clock.now()
    with write(call.services.engine) as conn:
        made = endpoints.create(
            conn, account_id=call.caller.account.id, url=asked.url, event_type=asked.event_type, now=now
        )
        return call.done(conn, 201, _shown(conn, call, made))


def show(call: Call) -> Answer:
    """Return one endpoint."""
    with read(call.services.engine) as conn:
        return Answer.of(_shown(conn, call, _found(conn, call)))


def change(call: Call) -> Answer:
    """Give an endpoint another URL or event, switch it off, or on again."""
    asked, account, now = call.asked, call.caller.account, call.services.clock.now()
    if asked.event_type is not None:
        _require_event(asked.event_type)
    if asked.url is not None:
        _require_callable(call, asked.url)
    with write(call.services.engine) as conn:
        row = _found(conn, call)
        if asked.enabled is True:
            # Before the endpoint itself, as where a receiver's answer switches it off.
            endpoint_states.enable(conn, account.id, asked.url or row.url, now=now)
        if asked.url is not None or asked.event_type is not None:
            _require_its_own(row)
            url, event_type = asked.url or row.url, asked.event_type
            row = endpoints.redirect(conn, account.id, row.id, url=url, event_type=event_type, now=now) or row
        if asked.enabled is True:
            endpoints.enable(conn, account.id, row.url, now=now)
        elif asked.enabled is False:
            endpoints.disable(conn, account, row.url, reason="by hand", now=now)
        return call.done(conn, 200, _shown(conn, call, _found(conn, call)))


def delete(call: Call) -> Answer:
    """Forget an endpoint, and return what it was; what waits for it is still delivered."""
    with write(call.services.engine) as conn:
        row = _found(conn, call)
        _require_listed(row)
        said = _shown(conn, call, row)
        endpoints.delete(conn, call.caller.account.id, row.id)
    return Answer.of(said)


def secrets(call: Call) -> Answer:
    """Return the secrets that sign what an endpoint is told, or, without one, what the whole account's are told."""
    with write(call.services.engine) as conn:
        url = _found(conn, call).url if call.id else ""
        keys = endpoints.secrets_for(conn, call.caller.account, url, now=call.services.clock.now())
    return Answer.of(Secrets(secrets=list(keys)))


def rotate(call: Call) -> Answer:
    """Replace an endpoint's secret or, without one, the account's; the new one is not said, but shown by ``secrets``.

    So no answer that is kept for repetitions holds a secret.
    """
    services, now = call.services, call.services.clock.now()
    until = now + timedelta(seconds=services.settings.callback.secret_overlap)
    with write(services.engine) as conn:
        url = _found(conn, call).url if call.id else None
        endpoints.rotate(conn, call.caller.account, url, until=until, now=now)
        return call.done(conn, 200, Rotated(old_signs_until=until))


def test(call: Call) -> Answer:
    """Have an endpoint told of a test, and return the delivery, whose log will say how it went."""
    services = call.services
    about: dict[str, Any] = {"sample": call.asked.sample, "by": call.by, "public_url": services.public_url}
    with write(services.engine) as conn:
        url = _found(conn, call).url
        made = telling.test(conn, call.caller.account, url, now=services.clock.now(), **about)
        return call.done(conn, 201, deliveries.said(made))


def _found(conn: Connection, call: Call) -> Row:
    found = endpoints.by_id(conn, call.caller.account.id, call.id)
    if found is None:
        raise errors.NotFound("there is no such endpoint")
    return found


def _require_listed(row: Row) -> None:
    if row.event_type == endpoints.DEFAULT:
        raise errors.Conflict("this is the account's own notification URL: it is set with the account")


def _require_its_own(row: Row) -> None:
    _require_listed(row)
    if row.event_type == endpoints.NAMED:
        raise errors.Conflict("calls have named this URL: it can only be enabled, or forgotten")


def _require_event(event_type: str) -> None:
    if event_type == endpoints.DEFAULT:
        raise problems.fault("/event_type", "the account's own notification URL is set with the account")


def _require_callable(call: Call, url: str) -> None:
    """Raise Problem for a URL that is never called."""
    try:
        require_callable(url, call.services.settings.callback.allow_networks)
    except errors.DestinationRefused as exc:
        raise problems.fault("/url", str(exc)) from exc


def _shown(conn: Connection, call: Call, row: Row) -> Endpoint:
    return _said(row, endpoint_states.of_account(conn, call.caller.account.id))


def _said(row: Row, states: list[EndpointState]) -> Endpoint:
    place = endpoint_states.origin(row.url)
    state = next((one for one in states if one.origin == place), None)
    return Endpoint(
        id=row.id,
        url=row.url,
        event_type=row.event_type,
        enabled=row.enabled and (state is None or state.disabled_at is None),
        disabled_at=row.disabled_at or (state.disabled_at if state else None),
        disabled_reason=row.disabled_reason or (state.disabled_reason if state else None),
        own_secret=row.secret is not None,
        server=_server(state) if state is not None else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _server(state: EndpointState) -> Server:
    return Server(
        origin=state.origin,
        state="disabled" if state.disabled_at else "paused" if state.trips else "well",
        failures=state.failures,
        paused_until=state.paused_until,
        failing_since=state.failing_since,
        disabled_at=state.disabled_at,
        disabled_reason=state.disabled_reason,
    )
