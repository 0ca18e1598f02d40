"""Show where one moderation stands, and why it was decided as it was."""

import argparse
from typing import Any

from clipwarden import errors
from clipwarden.cli import output
from clipwarden.cli.database import connected, full
from clipwarden.moderation import Delivery
from clipwarden.store import audit, deliveries, moderations
from clipwarden.store.engine import read


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("id", help="the moderation's id, as `clipwarden enqueue` prints it")


def run(arguments: argparse.Namespace) -> int:
    """Show the moderation, its reasons, its callbacks and its history."""
    with connected() as (_, engine), read(engine) as conn:
        moderation = moderations.by_id(conn, arguments.id)
        if moderation is None:
            raise errors.NotFound(f"there is no moderation {arguments.id} (yet)")
        callbacks = [_callback(delivery) for delivery in deliveries.of_moderation(conn, moderation.id)]
        history = [
            {"at": event.created_at, "actor": event.actor, "action": event.action}
            for event in audit.of_moderation(conn, moderation.id)
        ]
    reasons: list[dict[str, Any]] = (moderation.verdict or {}).get("reasons", [])
    if arguments.json:
        output.show_json(full(moderation) | {"reasons": reasons, "callbacks": callbacks, "history": history})
        return 0
    output.show_fields(full(moderation))
    for title, rows in (("reasons", reasons), ("callbacks", callbacks), ("history", history)):
        if rows:
            output.say(f"\n{title}")
            output.show_table(rows, list(rows[0]))
    return 0


def _callback(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "url": delivery.url,
        "stage": delivery.stage,
        "attempts": delivery.attempt,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "due_at": delivery.due_at,
    }
