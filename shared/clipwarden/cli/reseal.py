"""Seal all secrets in the database with the first of the keys, so that the others can be given up."""

import argparse

from clipwarden import errors
from clipwarden.cli import output
from clipwarden.cli.database import connected
from clipwarden.store import resealing


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare that there are no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Seal them; running it again changes nothing that anybody sees."""
    with connected() as (settings, engine):
        if not settings.database.seals:
            raise errors.ConfigurationError("there is no key: set CLIPWARDEN_DATABASE__SECRET_KEYS")
        rows = resealing.reseal(engine)
    if arguments.json:
        output.show_json({"rows": rows})
    else:
        output.say(f"the secrets of {rows} rows are sealed with the first key")
    return 0
