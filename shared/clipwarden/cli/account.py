"""Create an account or change its settings; print its key, and its secret when it is new."""

import argparse
import secrets
from dataclasses import replace

from sqlalchemy import Connection

from clipwarden.cli import output
from clipwarden.cli.database import connected
from clipwarden.moderation import Account
from clipwarden.store import accounts
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import write


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="the account's name: what Cloudinary calls a cloud")
    parser.add_argument("--api-key", metavar="KEY", help="its key (default: made up)")
    parser.add_argument("--api-secret", metavar="SECRET", help="its secret, which signs callbacks (default: made up)")
    parser.add_argument("--weight", type=float, metavar="W", help="its share of the slots; default 1")
    parser.add_argument("--max-in-flight", type=int, metavar="N", help="most slots it may hold; -1 for no cap")
    parser.add_argument("--notification-url", metavar="URL", help="where callbacks go unless a video names another")


def run(arguments: argparse.Namespace) -> int:
    """Create or change the account."""
    with connected() as (_, engine), write(engine) as conn:
        known = accounts.by_name(conn, arguments.name)
        account = accounts.ensure(
            conn,
            name=arguments.name,
            api_key=arguments.api_key or (known.api_key if known else str(secrets.randbelow(10**15)).zfill(15)),
            api_secret=arguments.api_secret or (known.api_secret if known else secrets.token_urlsafe(24)),
            notification_url=arguments.notification_url,
            now=DatabaseClock(engine).now(),
        )
        account = _share(conn, account, arguments)
    shown: dict[str, object] = {
        "name": account.name,
        "api_key": account.api_key,
        "notification_url": account.notification_url,
    }
    shown |= {"weight": account.weight, "max_in_flight": account.max_in_flight}
    if known is None:
        shown["api_secret"] = account.api_secret
    if arguments.json:
        output.show_json(shown)
    else:
        output.show_fields(shown)
    return 0


def _share(conn: Connection, account: Account, arguments: argparse.Namespace) -> Account:
    """Set what was given of weight and cap."""
    weight = account.weight if arguments.weight is None else arguments.weight
    cap = account.max_in_flight if arguments.max_in_flight is None else arguments.max_in_flight
    cap = None if cap == -1 else cap
    accounts.share(conn, account.id, weight=weight, max_in_flight=cap)
    return replace(account, weight=weight, max_in_flight=cap)
