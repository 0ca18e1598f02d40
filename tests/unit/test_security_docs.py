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
        for path, test in re.findall(r"`((?:api|shared|workers|tests|requirements)/[\w./]*)?(?:::(\w+))?`", line):
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


def test_every_setting_is_one() -> None:
    manual = (ROOT / "deploy" / "settings.env").read_text()
    for name in re.findall(r"CLIPWARDEN_\w+", PAGE):
        assert f"#{name}=" in manual, name
