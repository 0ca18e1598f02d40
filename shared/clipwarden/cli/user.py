"""Add people who review, list them, and change what they may do; passwords are chosen by a link, and never shown."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from clipwarden import errors
from clipwarden.cli import output
from clipwarden.cli.database import connected
from clipwarden.people import Role, User
from clipwarden.settings import Settings
from clipwarden.store import accounts, users
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read, write

_COLUMNS = ("name", "role", "accounts", "disabled", "has_password", "created_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    arguments: argparse.Namespace
    settings: Settings
    now: datetime


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="add|list|password|role|accounts|enable|…")
    told = {
        "add": "add a user, and print the link by which they choose a password",
        "list": "list all users",
        "password": "print a new link by which a user chooses a password; the one before ends",
        "role": "let a user do what another role may",
        "accounts": "let a user see these accounts' videos and no others",
        "enable": "let a user in again",
        "disable": "let a user in no more, and end their sessions",
    }
    made = {name: actions.add_parser(name, help=text) for name, text in told.items()}
    for name, one in made.items():
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")
        if name != "list":
            one.add_argument("name", help="the user's name")
    for name in ("add", "accounts"):
        made[name].add_argument("--account", action="append", metavar="NAME", help="may be repeated (default: all)")
    made["add"].add_argument("--role", type=Role, choices=list(Role), default=Role.REVIEWER, help="default: reviewer")
    made["role"].add_argument("role", type=Role, choices=list(Role))


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    with connected() as (settings, engine):
        if arguments.action == "list":
            with read(engine) as conn:
                shown = [_fields(conn, user) for user in users.every(conn)]
            output.show_json(shown) if arguments.json else output.show_table(shown, _COLUMNS)
            return 0
        asked = _Asked(arguments=arguments, settings=settings, now=DatabaseClock(engine).now())
        with write(engine) as conn:
            fields = _ACTIONS[arguments.action](conn, asked)
    output.show_json(fields) if arguments.json else output.show_fields(fields)
    return 0


def link(conn: Connection, user: User, settings: Settings, now: datetime) -> str:
    """Return a new link by which a user chooses a password, once."""
    lives = timedelta(seconds=settings.console.link_life)
    token = users.make_link(conn, user.id, lives=lives, now=now)
    return f"{settings.media.public_url.rstrip('/')}/console/welcome/{token}"


def _add(conn: Connection, asked: _Asked) -> dict[str, Any]:
    account_ids = _account_ids(conn, asked.arguments.account)
    user = users.add(conn, asked.arguments.name, role=asked.arguments.role, account_ids=account_ids, now=asked.now)
    return _fields(conn, user) | {"link": link(conn, user, asked.settings, asked.now)}


def _password(conn: Connection, asked: _Asked) -> dict[str, Any]:
    user = _named(conn, asked.arguments.name)
    return {"name": user.name, "link": link(conn, user, asked.settings, asked.now)}


def _role(conn: Connection, asked: _Asked) -> dict[str, Any]:
    users.give_role(conn, _named(conn, asked.arguments.name).id, asked.arguments.role, now=asked.now)
    return _fields(conn, _named(conn, asked.arguments.name))


def _accounts(conn: Connection, asked: _Asked) -> dict[str, Any]:
    account_ids = _account_ids(conn, asked.arguments.account)
    users.let_see(conn, _named(conn, asked.arguments.name).id, account_ids, now=asked.now)
    return _fields(conn, _named(conn, asked.arguments.name))


def _switch(conn: Connection, asked: _Asked) -> dict[str, Any]:
    enabled = asked.arguments.action == "enable"
    users.switch(conn, _named(conn, asked.arguments.name).id, enabled=enabled, now=asked.now)
    return _fields(conn, _named(conn, asked.arguments.name))


_ACTIONS: dict[str, Callable[[Connection, _Asked], dict[str, Any]]] = {
    "add": _add,
    "password": _password,
    "role": _role,
    "accounts": _accounts,
    "enable": _switch,
    "disable": _switch,
}


def _fields(conn: Connection, user: User) -> dict[str, Any]:
    found = (accounts.by_id(conn, id) for id in user.account_ids or ())
    named = "all" if user.account_ids is None else tuple(sorted(account.name for account in found if account))
    same = ("name", "role", "disabled", "has_password", "created_at")
    return {name: getattr(user, name) for name in same} | {"accounts": named}


def _named(conn: Connection, name: str) -> User:
    if (user := users.by_name(conn, name)) is None:
        raise errors.NotFound(f"there is no user {name}: clipwarden user add {name}")
    return user


def _account_ids(conn: Connection, names: list[str] | None) -> list[str] | None:
    if names is None:
        return None
    known = accounts.by_names(conn, names)
    if missing := sorted(set(names) - known.keys()):
        raise errors.NotFound(f"there is no account {missing[0]}")
    return [account.id for account in known.values()]
