"""Approve or reject a moderation as a human; no automatic verdict undoes it."""

import argparse
import getpass

from clipwarden import decisions, errors, labels
from clipwarden.cli import output
from clipwarden.cli.database import connected, full
from clipwarden.media.opening import open_store
from clipwarden.moderation import Status
from clipwarden.store import moderations
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read, write

_VERDICTS = (Status.APPROVED, Status.REJECTED)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("id", help="the moderation's id")
    parser.add_argument("verdict", choices=[str(status) for status in _VERDICTS])
    parser.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who decides (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Record the verdict; the bytes move and the callback goes out as soon as a worker runs."""
    with connected() as (settings, engine):
        with read(engine) as conn:
            moderation = moderations.by_id(conn, arguments.id)
        if moderation is None:
            raise errors.NotFound(f"there is no moderation {arguments.id}")
        shown = labels.shown(open_store(settings.media), settings.media.bucket, moderation)
        with write(engine) as conn:
            decided = decisions.override(
                conn,
                moderation.id,
                status=Status(arguments.verdict),
                by=arguments.by,
                labels=shown,
                public_url=settings.media.public_url,
                now=DatabaseClock(engine).now(),
            )
    if arguments.json:
        output.show_json(full(decided))
    else:
        output.say(f"{decided.id} is {decided.status} by {decided.decided_by}")
    return 0
