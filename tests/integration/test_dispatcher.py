"""The dispatcher goes on with what can be done, and tells that it looked only when it did."""

import functools
import runpy
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from clipwarden.broker import opening, redis_client
from clipwarden.moderation import Stage
from clipwarden.settings import Settings
from clipwarden.store import leases, schema
from clipwarden.store.engine import read, write
from clipwarden_workers import actors, admission, pools
from clipwarden_workers.bus import Bus
from clipwarden_workers.dispatcher import Dispatcher
from clipwarden_workers.services import Services, build
from fixtures.pipeline import without_database
from records import account, asset, at, moderation
from servers import RawServer
from waiting import eventually

ROWS = 5


@pytest.fixture
def services(pipeline_settings: dict[str, dict[str, Any]]) -> Iterator[Services]:
    """Give what a worker has; nobody takes messages."""
    yield from _serving(pipeline_settings)


@pytest.fixture
def hanging() -> Iterator[RawServer]:
    """Give a Redis that takes connections and never answers; it counts how often somebody tries."""

    def hang(_: socket.socket) -> None:
        server.closing.wait()

    with RawServer(hang) as server:
        yield server


@pytest.fixture
def hung(
    pipeline_settings: dict[str, dict[str, Any]], hanging: RawServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Services]:
    """Give what a worker has whose Redis hangs, of which it takes note soon."""
    monkeypatch.setattr(opening, "connect", functools.partial(redis_client.connect, reply_timeout=0.1))
    pipeline_settings["redis"]["url"] = f"redis://127.0.0.1:{hanging.port}/0"
    yield from _serving(pipeline_settings)


def _serving(settings: dict[str, dict[str, Any]]) -> Iterator[Services]:
    services = build(Settings.model_validate(settings))
    actors.declare(services)
    with write(services.engine) as conn:
        pools.register(conn, [(pool, pools.slots(pool)) for pool in services.pools.values()], services.clock)
        owner = account(conn)
        for number in range(ROWS):
            for stage in (Stage.INTAKE, Stage.JUDGING):
                moderation(conn, stage=stage, due_at=at(number))
            due = asset(conn, owner, f"due {number}")
            conn.execute(sa.update(schema.assets).where(schema.assets.c.id == due.id).values(due_at=at(0)))
    yield services
    services.close()


def untouched(services: Services, table: sa.Table) -> int:
    """Return how many of our rows nobody has taken."""
    with read(services.engine) as conn:
        return conn.execute(sa.select(sa.func.count()).where(table.c.due_at < at(ROWS))).scalar_one()


@contextmanager
def running(services: Services) -> Iterator[None]:
    dispatcher = Dispatcher(services)
    dispatcher.start()
    try:
        yield
    finally:
        dispatcher.stop()


def looked() -> float:
    return _told("clipwarden_loop_look_timestamp_seconds")


def _told(name: str) -> float:
    return REGISTRY.get_sample_value(name, {"loop": "dispatcher"}) or 0.0


def test_a_bus_that_hangs_is_tried_once_in_a_look_and_rows_stay_due(hung: Services, hanging: RawServer) -> None:
    dispatcher = Dispatcher(hung)
    for number in range(1, 6):
        dispatcher.look()
        assert hanging.accepted <= number
    assert hanging.accepted > 0
    # A message of one row of each kind was tried at most.
    assert untouched(hung, schema.moderations) >= 2 * ROWS - 2


def test_messages_are_sent_up_to_the_first_that_a_hanging_bus_does_not_take(
    hung: Services, hanging: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It hung just after its queues were counted.
    monkeypatch.setattr(Bus, "waiting", lambda _self, _queue: 0)
    dispatcher = Dispatcher(hung)
    for number in range(1, 4):
        dispatcher.look()
        assert hanging.accepted == number


def test_admitted_moderations_are_announced_up_to_the_first_that_a_hanging_bus_does_not_take(
    hung: Services, hanging: RawServer
) -> None:
    with write(hung.engine) as conn:
        admitted = [moderation(conn, stage=Stage.STARTING, due_at=at(0)) for _ in range(3)]
    assert not admission.announce(hung, admitted)
    assert hanging.accepted == 1


def test_a_kind_of_rows_that_cannot_be_looked_at_keeps_no_other_from_it(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = leases.due

    def poisoned(conn: sa.Connection, table: sa.Table, **asked: Any) -> list[leases.Due]:
        if table is schema.assets:
            raise KeyError("poison")
        return due(conn, table, **asked)

    monkeypatch.setattr(leases, "due", poisoned)
    Dispatcher(services).look()
    assert (untouched(services, schema.moderations), untouched(services, schema.assets)) == (0, ROWS)


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let every look fail, and give when the dispatcher said that it looked, at each."""
    seen: list[float] = []

    def fail(*_: object) -> None:
        seen.append(looked())
        raise KeyError("poison")

    monkeypatch.setattr(Dispatcher, "_note", fail)
    return seen


def test_a_look_takes_as_many_transactions_as_the_capacity_is_computed_by(services: Services) -> None:
    dispatcher, ended = Dispatcher(services), Counter[str]()
    dispatcher.look()  # The first one also tells that this process is there, and forgets what is past its time.
    sa.event.listen(services.engine, "commit", lambda _: ended.update(["commit"]))
    dispatcher.look()
    computed = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "capacity.py"))
    assert ended.total() == computed["LOOK_TRANSACTIONS"] + len(services.pools)


def test_a_dispatcher_whose_every_look_fails_does_not_say_that_it_looked(
    services: Services, failures: list[float]
) -> None:
    before, began = looked(), _told("clipwarden_loop_begin_timestamp_seconds")
    with running(services):
        eventually(lambda: len(failures) > 5)
    assert set(failures) == {before}
    # It said that it begins, so that it is noticed although it never gets further.
    assert _told("clipwarden_loop_begin_timestamp_seconds") > began


def test_a_dispatcher_whose_every_duty_fails_does_not_say_that_it_looked(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise KeyError("poison")

    for duty in ("_send", "_recall", "_hand_out", "_admit"):
        monkeypatch.setattr(Dispatcher, duty, fail)
    with pytest.raises(ExceptionGroup, match="nothing could be looked at"):
        Dispatcher(services).look()


def test_a_dispatcher_whose_database_is_away_has_looked(services: Services, tmp_path: Path) -> None:
    with running(without_database(services, tmp_path)):
        began = eventually(looked)
        eventually(lambda: looked() > began)
