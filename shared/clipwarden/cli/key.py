"""Add, list, promote, disable, enable or delete an account's API keys.

To rotate: add a key, promote it (its secret then signs the callbacks, while the one before still opens all it did),
give it to every program, then disable the old one, and delete it.
"""

import argparse
import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection

from clipwarden import errors
from clipwarden.cli import output
from clipwarden.cli.database import connected
from clipwarden.moderation import Account
from clipwarden.store import accounts, keys
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import write

_COLUMNS = ("key", "own", "enabled", "created_at")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("action", choices=("list", "add", *_CHANGES))
    parser.add_argument("account", help="the account's name")
    parser.add_argument("key", nargs="?", help="which key; made up where one is added without")
    parser.add_argument("--api-secret", metavar="SECRET", help="secret of an added key (default: made up)")


def run(arguments: argparse.Namespace) -> int:
    """Do it, and print the account's keys; the secret is printed only for a key that is added."""
    if arguments.key is None and arguments.action in _CHANGES:
        raise errors.ConfigurationError(f"which key? clipwarden key {arguments.action} {arguments.account} KEY")
    with connected() as (_, engine):
        now = DatabaseClock(engine).now()
        with write(engine) as conn:
            account = _required(conn, arguments.account)
            made = _added(conn, account, arguments, now) if arguments.action == "add" else None
            if arguments.action in _CHANGES:
                _CHANGES[arguments.action](conn, account, arguments.key, now)
        with write(engine) as conn:
            found = [asdict(one) for one in keys.every(conn, _required(conn, arguments.account))]
    _show(made, found, as_json=arguments.json)
    return 0


def _show(made: dict[str, str] | None, found: list[dict[str, object]], *, as_json: bool) -> None:
    if made is not None and as_json:
        output.show_json(made)
    elif made is not None:
        output.show_fields(made)
        output.say("\nThe secret is not shown again.")
    elif as_json:
        output.show_json(found)
    else:
        output.show_table(found, _COLUMNS)


def _required(conn: Connection, name: str) -> Account:
    account = accounts.by_name(conn, name)
    if account is None:
        raise errors.NotFound(f"there is no account {name}: clipwarden account {name} makes it")
    return account


def _added(conn: Connection, account: Account, arguments: argparse.Namespace, now: datetime) -> dict[str, str]:
    key = arguments.key or str(secrets.randbelow(10**15)).zfill(15)
    secret = arguments.api_secret or secrets.token_urlsafe(24)
    keys.add(conn, account, key, secret, now=now)
    return {"account": account.name, "api_key": key, "api_secret": secret}


_CHANGES: dict[str, Callable[[Connection, Account, str, datetime], None]] = {
    "promote": lambda conn, account, key, now: keys.promote(conn, account, key, now=now),
    "disable": lambda conn, account, key, _: keys.switch(conn, account, key, enabled=False),
    "enable": lambda conn, account, key, _: keys.switch(conn, account, key, enabled=True),
    "delete": lambda conn, account, key, _: keys.delete(conn, account, key),
}
