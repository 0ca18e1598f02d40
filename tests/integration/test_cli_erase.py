"""The command `clipwarden erase`, before a worker has seen to it."""

import io
import json
from typing import Any

import pytest
from sqlalchemy import Engine

import records
from clipwarden.cli.main import main
from clipwarden.store import assets, audit
from clipwarden.store.engine import read, write


@pytest.fixture
def run(engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("CLIPWARDEN_DATABASE__URL", engine.url.render_as_string(hide_password=False))

    def call(*words: str) -> tuple[Any, str]:
        with pytest.raises(SystemExit) as ended:
            main(["erase", *words])
        said = capsys.readouterr()
        return ended.value.code, said.out + said.err

    return call


def test_it_is_asked_for_once_by_any_of_its_names(engine: Engine, run: Any) -> None:
    with write(engine) as conn:
        made = records.moderation(conn)
    code, said = run("clip", "--account", "demo", "--by", "ada", "--yes")
    assert (code, made.asset_id in said) == (0, True)
    for name in (made.id, made.asset_id, made.asset_id.replace("-", "")):
        code, said = run(name, "--json")
        assert code == 0
        told = json.loads(said)
        assert (told["asset_id"], told["state"], told["waits_for"]) == (made.asset_id, "erasing", "a job that runs")
        assert (told["requested_by"], told["erased_at"]) == ("human:ada", None)
    with read(engine) as conn:
        found, _ = audit.found(conn, audit.Search(), limit=10)
    assert [event.action for event in found] == ["erasure_requested"]
    code, _ = run(made.id, "--wait", "0.1")
    assert code == 1


def test_nothing_is_erased_by_accident(engine: Engine, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with write(engine) as conn:
        made = records.moderation(conn)
    code, said = run(made.id)
    assert (code, "--yes" in said) == (1, True)
    monkeypatch.setattr("sys.stdin", _Terminal("n\n"))
    code, said = run(made.id)
    assert (code, "nothing was erased" in said) == (1, True)
    with read(engine) as conn:
        asset = assets.by_id(conn, made.asset_id)
    assert asset is not None
    assert asset.deleted_at is None
    monkeypatch.setattr("sys.stdin", _Terminal("y\n"))
    code, _ = run(made.id)
    assert code == 0


def test_what_is_not_there_is_said(run: Any) -> None:
    for words in (["clip"], ["clip", "--account", "demo"], ["018f0000-0000-7000-8000-000000000003"]):
        code, said = run(*words, "--yes")
        assert (code, "no " in said or "neither" in said) == (1, True)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
