"""Who upgrades is led to what is to be done by hand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "upgrade.md"
CHANGES = (ROOT / "CHANGELOG.md").read_text()
BY_HAND = "To do by hand"


def anchors(page: Path) -> set[str]:
    """Return where a page's headings can be linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", PAGE.read_text()))
def test_a_link_of_the_page_leads_somewhere(link: str) -> None:
    path, _, anchor = link.partition("#")
    page = PAGE.parent / path
    assert page.is_file()
    assert not anchor or anchor in anchors(page)


def test_the_page_leads_to_what_is_to_be_done_by_hand() -> None:
    assert f"(../../CHANGELOG.md#{BY_HAND.lower().replace(' ', '-')})" in PAGE.read_text()


@pytest.mark.parametrize("release", CHANGES.split("\n## ")[1:], ids=lambda text: text.splitlines()[0])
def test_a_release_begins_with_what_is_to_be_done_by_hand(release: str) -> None:
    first = release.split("\n### ")[1]
    assert first.startswith(BY_HAND)
    assert "clipwarden migrate" in first or "clipwarden migrate" not in release
