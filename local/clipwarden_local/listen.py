"""Receive callbacks on this machine, and print each with whether its signatures are right."""

import argparse
import json
import os
import threading
from collections.abc import Mapping
from typing import Any

from clipwarden import errors, webhooks
from clipwarden.cli import output
from clipwarden_local.receiver import Received, Receiver

_PLACE = "CLIPWARDEN_LISTEN_SECRET", "CLIPWARDEN_LISTEN_WEBHOOK_SECRET"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--port", type=int, default=9000, help="port on 127.0.0.1; 0 for a free one (default 9000)")
    parser.add_argument("--secret", metavar="SECRET", help=f"the account's API secret (default: ${_PLACE[0]})")
    parser.add_argument(
        "--webhook-secret", metavar="SECRET", help=f"what `clipwarden endpoints secret` shows (default: ${_PLACE[1]})"
    )
    parser.add_argument("--algorithm", default="sha1", choices=("sha1", "sha256"), help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    """Print every callback until interrupted."""
    secret = arguments.secret or os.environ.get(_PLACE[0])
    webhook_secret = arguments.webhook_secret or os.environ.get(_PLACE[1])
    _check(webhook_secret)
    known = {"secret": secret is not None, "webhook_secret": webhook_secret is not None}

    def on_received(callback: Received) -> None:
        said = told(callback, **known)
        payload = json.dumps(said["payload"], indent=2, ensure_ascii=False)
        output.say(json.dumps(said, ensure_ascii=False) if arguments.json else f"{headline(said)}\n{payload}")

    receiver = Receiver(
        secret=secret or "",
        algorithm=arguments.algorithm,
        webhook_secret=webhook_secret,
        port=arguments.port,
        on_received=on_received,
    )
    with receiver:
        output.say(json.dumps({"url": receiver.url}) if arguments.json else f"listening at {receiver.url}")
        threading.Event().wait()
    return 0


def told(callback: Received, *, secret: bool = True, webhook_secret: bool = True) -> dict[str, Any]:
    """Return what came, and what came of checking it by those secrets that are known."""
    return {
        "at": callback.at.isoformat(timespec="milliseconds"),
        "webhook_id": callback.headers.get("webhook-id"),
        "cloudinary": _checked(callback.verified, known=secret),
        "standard_webhooks": _checked(callback.webhook_verified, known=webhook_secret),
        "payload": callback.payload,
    }


def headline(said: Mapping[str, Any]) -> str:
    """Return a line that says what came, and whether its signatures are right."""
    named = [said["payload"].get(name) for name in ("notification_type", "public_id", "moderation_status")]
    what = " ".join(str(one) for one in named if one is not None)
    checks = f"signatures: Cloudinary's {said['cloudinary']}, Standard Webhooks' {said['standard_webhooks']}"
    return f"{said['at'][11:19]} {what}, {checks}, delivery {said['webhook_id']}"


def _check(webhook_secret: str | None) -> None:
    try:
        webhooks.sign("", "", 0, [webhook_secret] if webhook_secret else [])
    except ValueError as exc:
        raise errors.ConfigurationError(str(exc)) from exc


def _checked(right: object, *, known: bool) -> str:
    return ("right" if right else "WRONG") if known else "not checked"
