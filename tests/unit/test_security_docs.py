"""The threat model claims nothing whose place in the code, or whose test, is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()


def _named() -> list[tuple[str, str]]:
    """Return files with their tests; one that begins with ``::`` is of the file before it in its line."""
    found = []
    for line in PAGE.splitlines():
        file = ""
        for path, test in re.findall(
            r"`((?:api|shared|workers|deploy|tests|requirements)/[\w./]*)?(?:::(\w+))?`", line
        ):
            file = path or file
            if path or test:
                found.append((file, test))
    return found


def test_every_file_is_there_and_every_test_in_its_file() -> None:
    named = _named()
    assert len(named) > 60
    for file, test in named:
        place = ROOT / file
        assert place.exists(), file
        assert not test or f"def {test}(" in place.read_text(), f"{file} has no {test}"


def _rows() -> list[list[str]]:
    """Return the threats: what threatens, what is there, what shows it, and what is left."""
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in PAGE.splitlines() if "|" in line]
    return [row for row in rows if len(row) == 4 and row[0] != "threat" and not row[0].startswith("---")]


def test_every_threat_names_code_that_stands_in_its_way_and_a_test_that_shows_it() -> None:
    assert len(_rows()) > 50
    for threat, there, shown, _ in _rows():
        assert re.search(r"`(?:api|shared|workers|deploy|requirements)/[\w./]+`", there), threat
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", shown), threat


def test_every_table_is_of_threats_or_of_what_is_worth_protecting() -> None:
    assert {line for line in PAGE.splitlines() if line.startswith("|") and line.count("|") != 5} == {
        line for line in PAGE.partition("## Who is who")[0].splitlines() if line.startswith("|")
    }


def test_every_setting_is_one() -> None:
    manual = (ROOT / "deploy" / "settings.env").read_text()
    for name in re.findall(r"CLIPWARDEN_\w+", PAGE):
        assert f"#{name}=" in manual, name
