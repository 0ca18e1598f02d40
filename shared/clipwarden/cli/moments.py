"""Moments as people write them on the command line."""

import argparse
from datetime import UTC, datetime


def moment(text: str) -> datetime:
    """Return the moment that a text is, in UTC unless it says otherwise; raises ArgumentTypeError for no moment."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-11-20T12:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
