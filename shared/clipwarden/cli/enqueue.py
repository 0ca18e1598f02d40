"""Ask for a video to be moderated, and print the moderation's id."""

import argparse
import os

from clipwarden.cli import output
from clipwarden.client import Client


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", help="s3://BUCKET/KEY, an http(s) URL, or file:///PATH below an import root")
    parser.add_argument("--moderation", default="aws_rek_video", metavar="POLICY", help="default: %(default)s")
    parser.add_argument("--notification-url", metavar="URL", help="where the signed callback goes")
    parser.add_argument("--public-id", metavar="NAME", help="the video's name (default: made up)")
    parser.add_argument("--idempotency-key", metavar="KEY", help="the same key gives the same moderation")
    parser.add_argument("--account", default="default", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--priority", type=int, default=0, metavar="N", help="higher goes first; default 0")


def run(arguments: argparse.Namespace) -> int:
    """Enqueue and print the id."""
    url = os.environ.get("CLIPWARDEN_BUS__URL") or os.environ.get("CLIPWARDEN_REDIS__URL", "redis://127.0.0.1:6379/0")
    with Client(url) as client:
        moderation_id = client.enqueue(
            arguments.source,
            moderation=arguments.moderation,
            notification_url=arguments.notification_url,
            public_id=arguments.public_id,
            idempotency_key=arguments.idempotency_key,
            account=arguments.account,
            priority=arguments.priority,
        )
    if arguments.json:
        output.show_json({"id": moderation_id})
    else:
        output.say(moderation_id)
    return 0
