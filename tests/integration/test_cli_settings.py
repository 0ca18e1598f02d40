"""The command `clipwarden settings`, and the page that it writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipwarden.cli.main import main
from clipwarden.cli.settings import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: str, **environment: str) -> tuple[Any, str]:
        for name, value in environment.items():
            monkeypatch.setenv(f"CLIPWARDEN_{name}", value)
        with pytest.raises(SystemExit) as ended:
            main(["settings", *words])
        said = capsys.readouterr()
        return ended.value.code, said.out + said.err

    return call


def test_the_page_is_what_the_settings_say_of_themselves() -> None:
    assert PAGE.read_text() == reference(), "write it anew: make docs"


def test_what_holds_is_shown_without_secrets(run: Any) -> None:
    code, said = run("--json", DATABASE__URL="postgresql+psycopg://u:hunter2@db/x", WORKER__THREADS="3")
    held = {one["setting"]: (one["value"], one["source"]) for one in json.loads(said)}
    assert code == 0
    assert held["CLIPWARDEN_DATABASE__URL"] == ("(secret)", "environment")
    assert held["CLIPWARDEN_WORKER__THREADS"] == ("3", "environment")
    assert held["CLIPWARDEN_WORKER__LEASE"] == ("30", "default")
    assert "hunter2" not in said


def test_every_pool_is_shown_by_its_name(run: Any) -> None:
    _, said = run(POOLS__WEST__REGION="us-west-2", POOLS__WEST__BUCKETS="clips")
    assert "CLIPWARDEN_POOLS__WEST__BUCKETS" in said


def test_a_setting_that_cannot_be_read_is_named(run: Any) -> None:
    code, said = run(WORKER__THREADS="many", DATABASE__URL="postgresql+psycopg://u:hunter2@db/x")
    assert code == 1
    assert said.startswith("clipwarden: CLIPWARDEN_WORKER__THREADS: Input should be a valid integer")
    assert "hunter2" not in said
