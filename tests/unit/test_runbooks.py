"""What runbooks, and the pages on installing, tell people to run, set and look at does exist."""

import argparse
import importlib.metadata
import re
import shlex
from pathlib import Path

import pytest

from catalogue import series
from rules import DEPLOY, recorded

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    *(DOCS / "runbooks").glob("*.md"),
    *(DOCS / "how-to").glob("install-*.md"),
    DOCS / "how-to" / "aws-side.md",
    DOCS / "how-to" / "monitor.md",
]
SETTINGS = (DEPLOY / "settings.env").read_text()


@pytest.fixture(params=sorted(PAGES), ids=lambda page: page.stem)
def text(request: pytest.FixtureRequest) -> str:
    """Return a page's text."""
    page: Path = request.param
    return page.read_text()


def test_the_commands_of_a_page_are_understood(text: str) -> None:
    for line in re.findall(r"^clipwarden .+$", text, re.MULTILINE) + re.findall(r"`(clipwarden [a-z][^`]*)`", text):
        _, command, *arguments = shlex.split(line.replace(" N", " 1"))
        (entry,) = importlib.metadata.entry_points(group="clipwarden.commands", name=command)
        parser = argparse.ArgumentParser(prog=f"clipwarden {command}", exit_on_error=False)
        entry.load().configure(parser)
        parser.parse_args(arguments)


def test_the_settings_of_a_page_are_there(text: str) -> None:
    for name in re.findall(r"CLIPWARDEN_[A-Z_]+[A-Z]", text):
        assert f"#{name.replace('_POOLS__EU__', '_POOLS__NAME__')}=" in SETTINGS, name


def test_the_metrics_of_a_page_are_there(text: str) -> None:
    for name in re.findall(r"\bclipwarden[_:][a-z0-9_:]*[a-z0-9]", text):
        known = series() | recorded()
        assert name in known or f"{name}_count" in known, name


def test_the_files_that_a_page_points_at_are_there(text: str) -> None:
    for path in re.findall(r"\b((?:docs|deploy)/[\w./-]*\w)", text):
        assert (DOCS.parent / path).exists(), path
