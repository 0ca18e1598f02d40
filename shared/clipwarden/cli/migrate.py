"""Bring the database to this version's schema."""

import argparse

from clipwarden import logs
from clipwarden.cli import output
from clipwarden.settings import Settings
from clipwarden.store import migrating
from clipwarden.store.engine import create_engine


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare that there are no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Migrate and print the revision; running it again changes nothing."""
    settings = Settings()
    logs.configure(settings.log)
    engine = create_engine(settings.database)
    before = migrating.revision(engine)
    migrating.upgrade(engine)
    after = migrating.revision(engine)
    if arguments.json:
        output.show_json({"before": before, "after": after})
    else:
        output.say(f"schema {after}" if before == after else f"schema {before or 'empty'} -> {after}")
    return 0
