"""How a profile reads what py-spy has sampled."""

import importlib
from pathlib import Path

import pytest

_SAMPLES = (
    "<module> (clipwarden/cli/__main__.py:7);take (clipwarden/a b.py:3);execute (sqlalchemy/engine/base.py:9) 30",
    "<module> (clipwarden/cli/__main__.py:7);take (clipwarden/a b.py:3);loads (json/decoder.py:1) 10",
    "run (threading.py:1);wait (<frozen importlib>) 60",
)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return str(importlib.import_module("bench.profile").read(_SAMPLES))


@pytest.mark.parametrize(
    "row",
    [
        "| sqlalchemy | 30.0% |",
        "| clipwarden | 10.0% |",  # What it has of the standard library is its own.
        "| Python | 60.0% |",
        "| `clipwarden/a b.py: take` | 40.0% |",
    ],
)
def test_a_sample_counts_for_the_innermost_library_and_for_all_functions_of_ours(told: str, row: str) -> None:
    assert row in told.splitlines()


def test_functions_of_others_are_not_told(told: str) -> None:
    assert "execute" not in told
