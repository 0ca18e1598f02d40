"""A short load and a short steady one: every video gets its verdict and its callback, and all gauges are read."""

from pathlib import Path

import pytest

from clipwarden.moderation import Status
from fixtures.postgres import Server
from load.checks import Checker
from load.producers import Sent, producing
from load.run import Plan, run
from load.world import running


@pytest.mark.timeout(400)
def test_a_load_keeps_every_promise(tmp_path: Path, postgres: Server) -> None:
    del postgres  # Where no server can be started, this says so.
    with running(tmp_path / "data") as world, producing(world) as producers:
        at_once = run(producers, Plan(videos=12), print)
        steady = run(producers, Plan(videos=6, rate=3), print)
        lost = Checker(world=world, accepted=[*producers.accepted, _LOST], say=print, patience=0)
        lost.check()
    assert at_once.broken == steady.broken == []
    assert steady.figures["accepted"] == {"client": 10, "http": 10, "upload": 10}
    assert steady.figures["callbacks"] == 30
    watched = {one.whose for one in at_once.growths}
    assert watched >= {"worker 1", "worker 2", "gateway 1", "postgresql", "redis server", "temporary files"}
    assert lost.broken == ["client lost has no row", "no callback about lost came"]


_LOST = Sent(door="client", id="lost", status=Status.APPROVED)
