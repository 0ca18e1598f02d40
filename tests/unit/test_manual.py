"""The pages that are made from what commands and errors say of themselves."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clipwarden.cli import manual

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize(("page", "made"), [("commands", manual.commands), ("errors", manual.codes)])
def test_the_page_is_what_commands_and_errors_say_of_themselves(page: str, made: Callable[[], str]) -> None:
    assert (REFERENCE / f"{page}.md").read_text() == made().rstrip() + "\n", "write it anew: make docs"


def test_every_argument_is_explained() -> None:
    assert "| |\n" not in manual.commands()
