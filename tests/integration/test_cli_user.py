"""The command `clipwarden user`."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from clipwarden.cli.main import main
from clipwarden.people import Role
from clipwarden.store import users
from clipwarden.store.engine import read, write
from records import account


@pytest.fixture
def run(engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("CLIPWARDEN_DATABASE__URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("CLIPWARDEN_MEDIA__PUBLIC_URL", "https://review.example/")

    def call(*words: str) -> Any:
        with pytest.raises(SystemExit) as ended:
            main(["user", *words, "--json"])
        said = capsys.readouterr()
        return json.loads(said.out) if ended.value.code == 0 else said.err

    return call


def test_a_user_is_added_with_a_link_that_is_good_for_them(engine: Engine, run: Any) -> None:
    with write(engine) as conn:
        shop = account(conn, "shop")
    said = run("add", "ana", "--role", "supervisor", "--account", "shop")
    start = "https://review.example/console/welcome/"
    assert said["link"].startswith(start)
    with write(engine) as conn:
        found = users.by_link(conn, said["link"].removeprefix(start), now=datetime.now(UTC))
    assert found is not None
    assert (found.name, found.role, found.account_ids) == ("ana", Role.SUPERVISOR, (shop.id,))


def test_what_a_user_may_is_changed(engine: Engine, run: Any) -> None:
    first = run("add", "ana")
    assert first["accounts"] == "all"
    assert run("password", "ana")["link"] != first["link"]
    assert run("role", "ana", "read-only")["role"] == "read-only"
    assert run("disable", "ana")["disabled"] is True
    assert run("enable", "ana")["disabled"] is False
    with write(engine) as conn:
        account(conn, "shop")
    assert run("accounts", "ana", "--account", "shop")["accounts"] == ["shop"]
    assert [one["name"] for one in run("list")] == ["ana"]
    with read(engine) as conn:
        kept = users.by_name(conn, "ana")
    assert kept is not None
    assert kept.role is Role.READ_ONLY


def test_what_cannot_be_is_explained(run: Any) -> None:
    run("add", "ana")
    assert "there is a user ana" in run("add", "ana")
    assert "there is no user ben" in run("password", "ben")
    assert "there is no account shop" in run("add", "ben", "--account", "shop")
