"""What commands print: tables for people, JSON for programs, and complaints that say what to do."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from clipwarden import errors


class Command(Protocol):
    """A module that brings one command."""

    __doc__: str | None

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command and return its exit code."""


def show_json(value: Any) -> None:
    """Print one JSON document."""
    say(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows under their column heads, as wide as they need to be."""
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(columns, *cells, strict=True)]
    for line in ([column.replace("_", " ").upper() for column in columns], *cells):
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def show_fields(fields: Mapping[str, Any]) -> None:
    """Print one thing's fields, a line each."""
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        say(f"{name.replace('_', ' '):<{width}}  {_text(value)}")


def say(text: str) -> None:
    """Print a line at once: whoever reads a pipe must not wait for the end of a command that runs on."""
    print(text, flush=True)  # noqa: T201 # a command line prints


def complain(error: errors.ClipwardenError, *, as_json: bool) -> None:
    """Print an error on standard error."""
    details = {"error": {"code": error.code, "message": str(error)}}
    text = json.dumps(details) if as_json else f"clipwarden: {error}"
    print(text, file=sys.stderr)  # noqa: T201


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _plain(value: Any) -> Any:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
