"""Add endpoints to an account, list how they fare, test one, enable it again, or show and replace what signs."""

import argparse
import time
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from clipwarden import errors, telling
from clipwarden.cli import output
from clipwarden.cli.database import connected
from clipwarden.egress.destination import require_callable
from clipwarden.moderation import Account, Delivery, DeliveryStage
from clipwarden.samples import Sample
from clipwarden.settings import Settings
from clipwarden.store import accounts, deliveries, endpoint_states, endpoints
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read, write

_COLUMNS = ("event_type", "enabled", "disabled_reason", "own_secret", "url")
_FARES = ("origin", "state", "failures", "paused_until", "failing_since", "disabled_reason")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="list|add|remove|test|enable|disable|secret|rotate"
    )
    listing = actions.add_parser("list", help="list an account's endpoints, and how their servers fare")
    adding = actions.add_parser("add", help="have a URL told of the account's events")
    removing = actions.add_parser("remove", help="forget an endpoint; what waits for it is still delivered")
    testing = actions.add_parser("test", help="send a test event, and say how it was answered")
    enabling = actions.add_parser("enable", help="call an endpoint again that was disabled")
    disabling = actions.add_parser("disable", help="call an endpoint no more")
    showing = actions.add_parser("secret", help="show the secret by which callbacks are verified")
    rotating = actions.add_parser("rotate", help="make a new secret; the old one signs beside it for a while")
    for one in (listing, adding, removing, testing, enabling, disabling, showing, rotating):
        one.add_argument("account", help="the account's name")
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
    for one in (adding, removing, enabling, disabling):
        one.add_argument("url", help="the endpoint's URL")
    for one in (adding, removing):
        one.add_argument("--event", default=endpoints.ALL, metavar="EVENT", help="such as moderation (default: all)")
    testing.add_argument("url", nargs="?", help="default: the account's notification URL")
    testing.add_argument(
        "--sample", choices=list(Sample), default=Sample.TEST, metavar="TYPE", help="told as this event: %(choices)s"
    )
    testing.add_argument(
        "--wait", type=float, default=20, metavar="SECONDS", help="for the first attempt to end (default 20)"
    )
    for one in (showing, rotating):
        one.add_argument("--url", metavar="URL", help="of this endpoint alone (default: of the whole account)")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    acts = {"add": _add, "remove": _remove, "enable": _switch, "disable": _switch, "secret": _secret, "rotate": _rotate}
    with connected() as (settings, engine):
        if arguments.action == "list":
            return _list(engine, arguments)
        if arguments.action == "test":
            return _test(engine, settings, arguments)
        shown = acts[arguments.action](engine, settings, arguments)
    if arguments.json:
        output.show_json(shown)
    else:
        output.show_fields(shown)
    return 0


def _list(engine: Engine, arguments: argparse.Namespace) -> int:
    with read(engine) as conn:
        account = _account(conn, arguments.account)
        known = endpoints.every(conn, account.id)
        states = endpoint_states.of_account(conn, account.id)
    listed: list[dict[str, Any]] = [
        {
            "url": one.url,
            "event_type": one.event_type,
            "enabled": one.enabled,
            "disabled_reason": one.disabled_reason,
            "own_secret": one.secret is not None,
        }
        for one in known
    ]
    if account.notification_url and all(one.event_type != endpoints.DEFAULT for one in known):
        own = {"event_type": endpoints.DEFAULT, "enabled": True, "disabled_reason": None, "own_secret": False}
        listed.insert(0, {"url": account.notification_url, **own})
    fares = [
        {
            "origin": one.origin,
            "state": "disabled" if one.disabled_at else "paused" if one.trips else "well",
            "failures": one.failures,
            "paused_until": one.paused_until,
            "failing_since": one.failing_since,
            "disabled_reason": one.disabled_reason,
        }
        for one in states
    ]
    if arguments.json:
        output.show_json({"endpoints": listed, "states": fares})
        return 0
    output.show_table(listed, _COLUMNS)
    output.say("")
    output.show_table(fares, _FARES)
    return 0


def _test(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> int:
    """Send a test event, wait for its first attempt to end, and return 0 if the endpoint has taken it."""
    with write(engine) as conn:
        account = _account(conn, arguments.account)
        if (url := arguments.url or account.notification_url) is None:
            raise errors.Conflict(f"the account {account.name!r} has no notification URL: name one")
        now = DatabaseClock(engine).now()
        about = {"by": "clipwarden endpoints test", "public_url": settings.media.public_url}
        made = telling.test(conn, account, url, sample=Sample(arguments.sample), now=now, **about)
    delivery = _attempted(engine, made, patience=arguments.wait)
    shown = {
        "id": delivery.id,
        "url": url,
        "stage": delivery.stage,
        "status": delivery.last_status,
        "error": delivery.last_error,
    }
    if arguments.json:
        output.show_json(shown)
    else:
        output.show_fields(shown)
        if delivery.attempt == 0 and delivery.last_error is None:
            output.say(f"\nnobody has sent it yet: does a worker run? `clipwarden deliveries show {delivery.id}`")
    return 0 if delivery.stage is DeliveryStage.DELIVERED else 1


def _attempted(engine: Engine, made: Delivery, *, patience: float) -> Delivery:
    """Return the delivery once an attempt has ended, or as it is when there is no more time."""
    ends = time.monotonic() + patience
    while True:
        with read(engine) as conn:
            found = deliveries.by_id(conn, made.id) or made
        if found.attempt or found.stage in (DeliveryStage.DELIVERED, DeliveryStage.FAILED) or time.monotonic() > ends:
            return found
        time.sleep(0.1)


def _add(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    require_callable(arguments.url, settings.callback.allow_networks)
    if arguments.event in (endpoints.DEFAULT, endpoints.NAMED):
        raise errors.Conflict(f"{arguments.event!r} is no event: `clipwarden account` sets the account's own URL")
    with write(engine) as conn:
        account, now = _account(conn, arguments.account), DatabaseClock(engine).now()
        about = {"url": arguments.url, "event_type": arguments.event}
        endpoints.create(conn, account_id=account.id, **about, now=now)
    return about


def _remove(engine: Engine, _: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    with write(engine) as conn:
        account = _account(conn, arguments.account)
        found = [one for one in endpoints.at(conn, account.id, arguments.url) if one.event_type == arguments.event]
        if not found:
            raise errors.NotFound(f"the account is not told of {arguments.event} at this URL")
        endpoints.delete(conn, account.id, found[0].id)
    return {"url": arguments.url, "event_type": arguments.event, "removed": True}


def _switch(engine: Engine, _: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    now, enabled = DatabaseClock(engine).now(), arguments.action == "enable"
    with write(engine) as conn:
        account = _account(conn, arguments.account)
        if enabled:
            woken = endpoint_states.enable(conn, account.id, arguments.url, now=now)
            changed = endpoints.enable(conn, account.id, arguments.url, now=now) or woken
        else:
            changed = endpoints.disable(conn, account, arguments.url, reason="by hand", now=now)
    return {"url": arguments.url, "enabled": enabled, "changed": changed}


def _secret(engine: Engine, _: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    with write(engine) as conn:
        account = _account(conn, arguments.account)
        keys = endpoints.secrets_for(conn, account, arguments.url or "", now=DatabaseClock(engine).now())
    return {"webhook_secret": keys[0], "signs_too": len(keys) - 1}


def _rotate(engine: Engine, settings: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    now = DatabaseClock(engine).now()
    until = now + timedelta(seconds=settings.callback.secret_overlap)
    with write(engine) as conn:
        secret = endpoints.rotate(conn, _account(conn, arguments.account), arguments.url, until=until, now=now)
    return {"webhook_secret": secret, "old_signs_until": until}


def _account(conn: Connection, name: str) -> Account:
    if (account := accounts.by_name(conn, name)) is None:
        raise errors.NotFound(f"there is no account {name!r}")
    return account
