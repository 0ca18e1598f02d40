"""List callbacks, show one with its attempts, or send some again."""

import argparse
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from clipwarden import errors, ids
from clipwarden.cli import output
from clipwarden.cli.database import connected
from clipwarden.cli.moments import moment
from clipwarden.moderation import Delivery, DeliveryStage
from clipwarden.store import accounts, attempts, deliveries, replays
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read, write
from clipwarden.store.replays import Search

#: Deliveries that one transaction replays.
_BATCH = 500
_COLUMNS = ("id", "stage", "event", "attempts", "last_status", "created_at", "due_at", "url")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|replay")
    listing = actions.add_parser("list", help="list callbacks, newest first")
    _filters(listing)
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="at most this many (default 50)")
    listing.add_argument("--after", metavar="CURSOR", help="the page after the one that ended with this cursor")
    showing = actions.add_parser("show", help="show one callback, its body and its attempts")
    showing.add_argument("id", help="the callback's id: its webhook-id")
    replaying = actions.add_parser("replay", help="send callbacks again, under the same id and with the same body")
    replaying.add_argument("ids", nargs="*", metavar="ID", help="callbacks; without any, all that the filters find")
    _filters(replaying)
    for one in (listing, showing, replaying):
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    with connected() as (_, engine):
        if arguments.action == "show":
            return _show(engine, arguments)
        return _list(engine, arguments) if arguments.action == "list" else _replay(engine, arguments)


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", metavar="NAME", help="only this account's")
    parser.add_argument("--stage", choices=list(DeliveryStage), help="only those that stand there")
    parser.add_argument("--event", metavar="EVENT", help="only of this event, such as moderation")
    parser.add_argument("--url", metavar="URL", help="only to this URL, or to those that begin so: end it with *")
    parser.add_argument("--moderation", metavar="ID", help="only of this moderation")
    parser.add_argument("--asset", type=_asset, metavar="ID", help="only of this asset")
    parser.add_argument("--since", type=moment, metavar="TIME", help="only from then on, such as 2026-11-20T12:00Z")
    parser.add_argument("--until", type=moment, metavar="TIME", help="only from before then")


def _asset(text: str) -> str:
    """Return the asset's id, which answers and callbacks write without dashes."""
    if (id := ids.read(text)) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not the id of an asset")
    return id


def _search(conn: Connection, arguments: argparse.Namespace) -> Search:
    account = accounts.by_name(conn, arguments.account) if arguments.account else None
    if arguments.account and account is None:
        raise errors.NotFound(f"there is no account {arguments.account!r}")
    return Search(
        account_id=account.id if account else None,
        stage=DeliveryStage(arguments.stage) if arguments.stage else None,
        event=arguments.event,
        url=arguments.url,
        moderation_id=arguments.moderation,
        asset_id=arguments.asset,
        since=arguments.since,
        until=arguments.until,
    )


def _list(engine: Engine, arguments: argparse.Namespace) -> int:
    with read(engine) as conn:
        found, following = replays.page(conn, _search(conn, arguments), limit=arguments.limit, after=arguments.after)
    rows = [_brief(one) for one in found]
    if arguments.json:
        output.show_json({"deliveries": rows, "next": following})
        return 0
    output.show_table(rows, _COLUMNS)
    if following:
        output.say(f"\nmore: --after {following}")
    return 0


def _show(engine: Engine, arguments: argparse.Namespace) -> int:
    with read(engine) as conn:
        delivery = deliveries.by_id(conn, arguments.id)
        if delivery is None:
            raise errors.NotFound(f"there is no callback {arguments.id}")
        log = [_attempt(one) for one in attempts.of_delivery(conn, delivery.id)]
    fields = _brief(delivery) | {"last_error": delivery.last_error, "moderation_id": delivery.moderation_id}
    if arguments.json:
        output.show_json(fields | {"body": delivery.body, "log": log})
        return 0
    output.show_fields(fields)
    output.say(f"\n{delivery.body}\n")
    output.show_table(log, ("attempt", "at", "seconds", "status", "error"))
    return 0


def _replay(engine: Engine, arguments: argparse.Namespace) -> int:
    now = DatabaseClock(engine).now()
    if arguments.ids:
        for id in arguments.ids:
            with write(engine) as conn:
                replays.replay(conn, id, now=now)
        count = len(arguments.ids)
    else:
        count = _replay_found(engine, arguments, now)
    if arguments.json:
        output.show_json({"replayed": count})
    else:
        output.say(f"{count} callbacks will be sent again")
    return 0


def _replay_found(engine: Engine, arguments: argparse.Namespace, now: datetime) -> int:
    with read(engine) as conn:
        search = _search(conn, arguments)
    if search == Search():
        raise errors.Conflict("name callbacks, or filters that find them")
    total, more = 0, True
    while more:
        with write(engine) as conn:
            count, more = replays.replay_all(conn, search, limit=_BATCH, as_of=now, now=now)
        total += count
    return total


def _brief(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "stage": delivery.stage,
        "event": delivery.event,
        "attempts": delivery.attempt,
        "last_status": delivery.last_status,
        "created_at": delivery.created_at,
        "due_at": delivery.due_at,
        "delivered_at": delivery.delivered_at,
        "url": delivery.url,
    }


def _attempt(one: Any) -> dict[str, Any]:
    return {
        "attempt": one.attempt,
        "at": one.created_at,
        "seconds": round(one.seconds, 3),
        "status": one.status,
        "error": one.error,
        "request_headers": one.request_headers,
        "response_headers": one.response_headers,
        "response_body": one.response_body,
    }
