"""Bring the database to this version's schema."""

import argparse
import time

from sqlalchemy import Engine

from clipwarden import errors, logs
from clipwarden.cli import output
from clipwarden.settings import Settings
from clipwarden.store import migrating
from clipwarden.store.engine import create_engine

log = logs.logger(__name__)

#: Seconds between two tries to reach the database.
PAUSE = 2.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="wait so long for a database that is away (default 0)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Migrate and print the revision; running it again changes nothing."""
    settings = Settings()
    logs.configure(settings.log)
    engine = create_engine(settings.database, patient=True)
    before = _reached(engine, arguments.wait)
    migrating.upgrade(engine)
    after = migrating.revision(engine)
    if arguments.json:
        output.show_json({"before": before, "after": after})
    else:
        output.say(f"schema {after}" if before == after else f"schema {before or 'empty'} -> {after}")
    return 0


def _reached(engine: Engine, seconds: float) -> str | None:
    """Return the revision as soon as the database tells it, and say at each try that it does not yet.

    Raises StoreUnavailable when it has not after that many seconds.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return migrating.revision(engine)
        except errors.StoreUnavailable as exc:
            if (left := end - time.monotonic()) <= 0:
                raise
            log.warning("waiting for the database", reason=str(exc), seconds_left=round(left))
            time.sleep(min(PAUSE, left))
