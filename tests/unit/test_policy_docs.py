"""The examples of the reference on policies, run as they stand."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "policy.md"


def test_every_example_gives_what_the_page_shows() -> None:
    page = doctest.DocTestParser().get_doctest(PAGE.read_text(encoding="utf-8"), {}, PAGE.name, str(PAGE), 0)
    complaints: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(page, out=complaints.append)
    assert result.attempted > 20
    assert not result.failed, "".join(complaints)
