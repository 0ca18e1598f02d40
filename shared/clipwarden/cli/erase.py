"""Erase an asset with all that is kept of it and about it, for good; workers see to it."""

import argparse
import getpass
import sys
import time
from typing import Any

from sqlalchemy import Connection, Engine

from clipwarden import errors, ids
from clipwarden.cli import output
from clipwarden.cli.database import connected
from clipwarden.moderation import Asset, ResourceType, Scope
from clipwarden.store import accounts, assets, erasures, library, moderations
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read, write
from clipwarden.store.library import Name

#: Seconds between two looks at how far it is.
_LOOK = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("asset", help="the asset's id, the id of one of its moderations, or with --account its name")
    parser.add_argument("--account", metavar="NAME", help="the account in which ASSET is a public id")
    parser.add_argument("--resource-type", default="video", choices=[str(one) for one in ResourceType])
    parser.add_argument("--type", default="upload", help="default: %(default)s")
    parser.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who asks (default: %(default)s)")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait for its end for so long")


def run(arguments: argparse.Namespace) -> int:
    """Ask for the erasure, and say how far it is; with ``--wait``, exit with 1 where it has not ended."""
    with connected() as (_, engine):
        with read(engine) as conn:
            asset_id = _meant(conn, arguments)
            asset = assets.by_id(conn, asset_id)
        if asset is not None:
            _confirm(engine, asset, arguments)
            with write(engine) as conn:
                by, now = f"human:{arguments.by}", DatabaseClock(engine).now()
                erasures.ask(conn, asset, Scope.ASSET, by=by, now=now)
        state = _followed(engine, asset_id, arguments.wait)
    if arguments.json:
        output.show_json(state)
    else:
        output.say(_told(state))
    return 1 if arguments.wait and state["state"] != "erased" else 0


def _meant(conn: Connection, arguments: argparse.Namespace) -> str:
    """Return the id of the asset that is meant; raises NotFound."""
    if arguments.account is not None:
        return _named(conn, arguments)
    id = ids.read(arguments.asset)
    if id is None:
        raise errors.NotFound(f"{arguments.asset} is no id: a public id is found with --account")
    if erasures.told(conn, id) is not None or assets.by_id(conn, id) is not None:
        return id
    if (moderation := moderations.by_id(conn, id)) is not None:
        return moderation.asset_id
    raise errors.NotFound(f"there is neither an asset nor a moderation {id}")


def _named(conn: Connection, arguments: argparse.Namespace) -> str:
    if (account := accounts.by_name(conn, arguments.account)) is None:
        raise errors.NotFound(f"there is no account {arguments.account}")
    name = Name(resource_type=ResourceType(arguments.resource_type), type=arguments.type, public_id=arguments.asset)
    if (asset := library.by_name(conn, account.id, name)) is None:
        raise errors.NotFound(f"{arguments.account} has no {name.resource_type} {arguments.asset}")
    return asset.id


def _confirm(engine: Engine, asset: Asset, arguments: argparse.Namespace) -> None:
    """Ask whoever sits there; raises Conflict where they think better of it, or nobody can be asked."""
    with read(engine) as conn:
        asked = erasures.is_asked(conn, asset.id)
    if arguments.yes or asked:
        return
    if not sys.stdin.isatty():
        raise errors.Conflict("erasing cannot be undone: say --yes")
    if not asset.ours and asset.location is not None:
        output.say(f"{asset.location} is your own object: unless it was rejected it stays, and is yours to delete")
    answer = input(f"Erase {asset.public_id}, its bytes, verdicts, labels and callbacks, for good? [y/N] ")
    if answer.strip().lower() not in {"y", "yes"}:
        raise errors.Conflict("nothing was erased")


def _followed(engine: Engine, asset_id: str, seconds: float) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while (state := _state(engine, asset_id))["state"] != "erased" and time.monotonic() < end:
        time.sleep(min(_LOOK, max(0.0, end - time.monotonic())))
    return state


def _state(engine: Engine, asset_id: str) -> dict[str, Any]:
    with read(engine) as conn:
        told = erasures.told(conn, asset_id)
        waits = erasures.is_analysed(conn, asset_id)
    if told is None:
        raise errors.NotFound(f"there is no asset {asset_id}")
    return {
        "asset_id": asset_id,
        "state": "erasing" if told.erased_at is None else "erased",
        "waits_for": "a job that runs" if waits else None,
        "requested_by": told.requested_by,
        "requested_at": told.requested_at,
        "erased_at": told.erased_at,
    }


def _told(state: dict[str, Any]) -> str:
    if state["erased_at"] is not None:
        return f"{state['asset_id']} is erased, since {state['erased_at']:%Y-%m-%d %H:%M:%S} UTC"
    why = "as soon as its job has ended" if state["waits_for"] else "as soon as a worker runs"
    return f"{state['asset_id']} is out of the library, and erased {why}; the same command says how far it is"
