"""A short torment of the whole stack: whatever dies, breaks or is late, every promise holds."""

from pathlib import Path

import pytest

from chaos.nemesis import blows
from chaos.run import run
from chaos.world import Plan
from fixtures.postgres import Server

#: Of torment; `make chaos` takes longer, and many seeds.
SECONDS = 12


@pytest.mark.timeout(400)
def test_a_tormented_stack_keeps_every_promise(tmp_path: Path, postgres: Server) -> None:
    del postgres  # Where no server can be started, this says so.
    plan = Plan(seed=4, seconds=SECONDS, database="postgresql", folder=tmp_path / "data", skew=240)
    result = run(plan, print)
    assert result.broken == []
    assert sum(result.figures["accepted"].values()) > SECONDS
    assert set(result.figures["accepted"]) == {"client", "http", "upload", "event"}


def test_a_seed_means_the_same_blows_each_time(tmp_path: Path) -> None:
    plan = Plan(seed=9, seconds=60, database="postgresql", folder=tmp_path)
    assert blows(plan) == blows(plan)
    assert blows(plan) != blows(Plan(seed=10, seconds=60, database="postgresql", folder=tmp_path))
    without = [blows(Plan(seed=seed, seconds=60, database="sqlite", folder=tmp_path)) for seed in range(50)]
    assert "restart-database" not in {blow.name for found in without for blow in found}
