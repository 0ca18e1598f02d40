"""List an account's endpoints and how they fare, enable one again, or show and replace the secrets that sign."""

import argparse
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from clipwarden import errors
from clipwarden.cli import output
from clipwarden.cli.database import connected
from clipwarden.moderation import Account
from clipwarden.settings import Settings
from clipwarden.store import accounts, endpoint_states, endpoints
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read, write

_COLUMNS = ("event_type", "enabled", "disabled_reason", "own_secret", "url")
_FARES = ("origin", "state", "failures", "paused_until", "failing_since", "disabled_reason")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|enable|disable|secret|rotate")
    listing = actions.add_parser("list", help="list an account's endpoints, and how their servers fare")
    enabling = actions.add_parser("enable", help="call an endpoint again that was disabled")
    disabling = actions.add_parser("disable", help="call an endpoint no more")
    showing = actions.add_parser("secret", help="show the secret by which callbacks are verified")
    rotating = actions.add_parser("rotate", help="make a new secret; the old one signs beside it for a while")
    for one in (listing, enabling, disabling, showing, rotating):
        one.add_argument("account", help="the account's name")
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
    for one in (enabling, disabling):
        one.add_argument("url")
    for one in (showing, rotating):
        one.add_argument("--url", metavar="URL", help="of this endpoint alone (default: of the whole account)")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    acts = {"enable": _switch, "disable": _switch, "secret": _secret, "rotate": _rotate}
    with connected() as (settings, engine):
        if arguments.action == "list":
            return _list(engine, arguments)
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


def _switch(engine: Engine, _: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    now, enabled = DatabaseClock(engine).now(), arguments.action == "enable"
    with write(engine) as conn:
        account = _account(conn, arguments.account)
        if enabled:
            listed = endpoints.enable(conn, account.id, arguments.url, now=now)
            changed = endpoint_states.enable(conn, account.id, arguments.url, now=now) or listed
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
