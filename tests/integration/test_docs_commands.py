"""The commands that pages tell people to type are run, on a database with something in it."""

import argparse
import importlib.metadata
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clipwarden import ids
from clipwarden.cli.main import main
from clipwarden.moderation import DeliveryStage, Stage, Status
from clipwarden.settings import DatabaseSettings
from clipwarden.store import deliveries, endpoints, keys, leases, schema
from clipwarden.store.engine import create_engine, write
from records import account, asset, at, moderation

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "docs" / "how-to").glob("*.md"), *(ROOT / "docs" / "runbooks").glob("*.md")]
#: These need a worker, AWS or a terminal, or run until they are stopped; tests of their own run them.
ELSEWHERE = {"demo", "doctor", "worker", "api", "up", "listen", "top", "rejudge", "endpoints test", "erase"}
URL = "https://shop.example/in"


def _typed(page: Path, *, elsewhere: bool = False) -> list[list[str]]:
    """Return the commands of a page's examples: those that are run here, or the others."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in re.findall(r"^clipwarden (.+)$", block, re.MULTILINE)]
    found = [shlex.split(line, comments=True) for line in lines]
    return [words for words in found if bool({words[0], " ".join(words[:2])} & ELSEWHERE) is elsewhere]


@pytest.fixture
def names(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Prepare an account with a moderation that waits and a callback that failed; return what examples call them."""
    monkeypatch.setenv("CLIPWARDEN_DATABASE__URL", sqlite_url)
    engine, told = create_engine(DatabaseSettings(url=SecretStr(sqlite_url))), ids.new_id()
    with write(engine) as conn:
        owner = account(conn, "shop")
        keys.add(conn, owner, key="NEW_KEY", secret="new-secret", now=at(0))
        waiting = moderation(conn, asset(conn, owner), stage=Stage.REVIEW, status=Status.PENDING, due_at=None)
        endpoints.create(conn, account_id=owner.id, url=URL, event_type="all", now=at(0))
        about: dict[str, Any] = {"event": "moderation", "sequence": 1, "url": URL, "body": "{}", "now": at(0)}
        deliveries.add(conn, id=told, account_id=owner.id, due_at=at(0), **about)
        failed = {"stage": DeliveryStage.FAILED, "due_at": None, "attempt": 9}
        leases.advance(conn, schema.deliveries, told, fence=0, now=at(9), **failed)
    engine.dispose()
    return {"ACCOUNT": "shop", "URL": URL, "OLD_KEY": owner.api_key, "status": waiting.id, "deliveries": told}


@pytest.mark.parametrize("page", sorted(page for page in PAGES if _typed(page)), ids=lambda page: page.stem)
def test_the_commands_of_a_page_do_what_they_are_for(
    page: Path, names: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for words in _typed(page):
        meant = names["deliveries" if words[0] == "deliveries" else "status"]
        given = [meant if word == "ID" or word.startswith("018f") else names.get(word, word) for word in words]
        with pytest.raises(SystemExit) as ended:
            main([words[0], *given[1:]])
        said = capsys.readouterr()
        assert ended.value.code == 0, f"clipwarden {' '.join(given)}\n{said.out}{said.err}"


@pytest.mark.parametrize("page", sorted(page for page in PAGES if _typed(page, elsewhere=True)), ids=lambda p: p.stem)
def test_the_commands_of_a_page_that_are_run_elsewhere_are_understood(page: Path) -> None:
    for command, *arguments in _typed(page, elsewhere=True):
        (entry,) = importlib.metadata.entry_points(group="clipwarden.commands", name=command)
        parser = argparse.ArgumentParser(prog=f"clipwarden {command}", exit_on_error=False)
        entry.load().configure(parser)
        parser.parse_args(arguments)
