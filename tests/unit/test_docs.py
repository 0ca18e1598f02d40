"""The pages: each is found from the map of all, and what they link to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]


def _links(page: Path) -> set[Path]:
    found = re.findall(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    return {(page.parent / link).resolve() for link in found}


@pytest.mark.parametrize("page", sorted(PAGES), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    assert [link for link in _links(page) if not link.exists()] == []


def test_every_page_is_found_from_the_map() -> None:
    found = _links(DOCS / "README.md")
    lost = {page for page in DOCS.rglob("*.md") if page.resolve() not in found and page.parent.resolve() not in found}
    assert lost == {DOCS / "README.md"}


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [page.name[:4] for page in sorted((DOCS / "decisions").glob("*.md"))]
    assert len(numbers) == len(set(numbers))
