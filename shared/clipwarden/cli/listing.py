"""List moderations by kind and status, newest first."""

import argparse

from clipwarden import errors
from clipwarden.cli import output
from clipwarden.cli.database import brief, connected
from clipwarden.moderation import Kind, Status
from clipwarden.store import accounts, moderations
from clipwarden.store.engine import read

_COLUMNS = ("id", "status", "stage", "kind", "created_at", "decided_by", "source")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--account", metavar="NAME", help="only this account's")
    parser.add_argument("--kind", choices=list(Kind), help="only this kind")
    parser.add_argument("--status", choices=list(Status), help="only this status")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most this many (default 50)")
    parser.add_argument("--after", metavar="CURSOR", help="the page after the one that ended with this cursor")


def run(arguments: argparse.Namespace) -> int:
    """Show one page."""
    with connected() as (_, engine), read(engine) as conn:
        account = accounts.by_name(conn, arguments.account) if arguments.account else None
        if arguments.account and account is None:
            raise errors.NotFound(f"there is no account {arguments.account!r}")
        page = moderations.page(
            conn,
            account_id=account.id if account else None,
            kind=Kind(arguments.kind) if arguments.kind else None,
            status=Status(arguments.status) if arguments.status else None,
            after=arguments.after,
            limit=arguments.limit,
        )
    rows = [brief(moderation) for moderation in page.items]
    if arguments.json:
        output.show_json({"moderations": rows, "next_cursor": page.next_cursor})
        return 0
    output.show_table(rows, _COLUMNS)
    if page.next_cursor:
        output.say(f"\nmore: --after {page.next_cursor}")
    return 0
