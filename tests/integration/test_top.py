"""``clipwarden top`` shows what the database and Redis know, and says so when it cannot reach them."""

import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rich.console import Console

from clipwarden import errors
from clipwarden.broker import build_broker, build_counter, queues
from clipwarden.broker.queues import Queue
from clipwarden.cli import top_view
from clipwarden.cli.top import Watch
from clipwarden.cli.top_view import Frame
from clipwarden.message import IntakeMessage
from clipwarden.moderation import Stage
from clipwarden.settings import DatabaseSettings, Settings
from clipwarden.store import clock, pools, workers
from clipwarden.store.engine import create_engine, write
from clipwarden.store.operations import Rates
from clipwarden_local.ports import free_port
from records import START, moderation
from waiting import eventually

TOP = [sys.executable, "-m", "clipwarden.cli", "top"]


@pytest.fixture
def settings(database: DatabaseSettings, redis_url: str) -> Settings:
    """Return the settings of an installation with a pool that works."""
    engine = create_engine(database)
    with write(engine) as conn:
        pools.ensure(conn, "eu", 5, START)
        for stage in (Stage.ANALYSING, Stage.QUEUED, Stage.QUEUED):
            moderation(conn, stage=stage, pool="eu")
        pools.lower(conn, "eu", now=START, wait=60)
    engine.dispose()
    return Settings.model_validate({"database": database, "redis": {"url": redis_url}})


@pytest.fixture
def watch(settings: Settings) -> Iterator[Watch]:
    """Give what looks at the installation."""
    watch = Watch.of(settings)
    yield watch
    watch.close()


def _shown(frame: Frame, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(top_view.text(frame))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_look_shows_pools_stages_and_queues_at_any_width(watch: Watch) -> None:
    frame = watch.look()
    assert (frame.store_fault, frame.bus_fault) == (None, None)
    shown = _shown(frame)
    assert "eu     1 / 1      5        2" in shown
    assert "others use the quota" in shown
    assert "queued         2" in shown
    assert "intake" in shown
    for width in (1, 20, 60, 400):
        assert max(map(len, _shown(frame, width).splitlines())) <= width
    said = json.loads(top_view.line(frame))
    assert (said["pools"][0]["in_use"], said["pools"][0]["waiting"]) == (1, 2)
    assert {one["stage"]: one["count"] for one in said["stages"]} == {"analysing": 1, "queued": 2}


def test_what_was_accepted_between_two_looks_is_a_rate(watch: Watch) -> None:
    before = watch.look().operations
    with write(watch.engine) as conn:
        moderation(conn, stage=Stage.DECIDED, now=clock.told(conn))
    frame = watch.look()
    assert before is not None
    assert frame.operations is not None
    assert frame.rates is not None
    seconds = (frame.operations.at - before.at).total_seconds()
    assert frame.rates == Rates(accepted=1 / seconds, decided=1 / seconds, delivered=0)


def test_a_message_that_waits_is_counted(redis_url: str) -> None:
    bus = build_counter(redis_url, namespace="{top}")
    assert {one.unacknowledged for one in queues.figures(bus)} == {0}
    broker = build_broker(redis_url, namespace="{top}")
    broker.enqueue(IntakeMessage.compose(source="s3://b/k").to_dramatiq())
    found = {one.queue: one.unacknowledged for one in queues.figures(bus)}
    assert found == dict.fromkeys(Queue, 0) | {Queue.INTAKE: 1}
    broker.close()
    bus.close()


def test_workers_are_shown_and_those_that_are_missing(watch: Watch) -> None:
    here = workers.this_process(["media"])
    with write(watch.engine) as conn:
        now = clock.told(conn)
        workers.note(conn, here, now=now)
        workers.note(conn, workers.this_process(["media"]), now=now - timedelta(minutes=3))
    shown = _shown(watch.look())
    assert f"{here.host} {here.pid}" in shown
    assert "3 min ago, missing" in shown


def test_what_is_away_is_said_and_what_was_seen_last_stays(watch: Watch, tmp_path: Path) -> None:
    seen = watch.look().operations
    engine, bus = watch.engine, watch.bus
    watch.engine = create_engine(DatabaseSettings.model_validate({"url": f"postgresql://user@/db?host={tmp_path}"}))
    watch.bus = build_counter(f"redis://127.0.0.1:{free_port()}/0")
    frame = watch.look()
    assert (frame.operations, frame.rates, frame.bus) == (seen, None, None)
    shown = _shown(frame)
    assert "the database cannot be read, trying again" in shown
    assert "the bus cannot be reached, trying again" in shown
    watch.engine, watch.bus = engine, bus
    assert (watch.look().store_fault, watch.look().bus_fault) == (None, None)


def test_a_database_of_another_schema_is_refused_and_not_asked_again(watch: Watch) -> None:
    with write(watch.engine) as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(errors.ConfigurationError):
        watch.look()


def _environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "CLIPWARDEN_DATABASE__URL": settings.database.url.get_secret_value(),
        "CLIPWARDEN_REDIS__URL": settings.redis.url.get_secret_value(),
        "TERM": "xterm",
    }


def test_one_look_is_printed_and_an_unreachable_database_is_a_failure(settings: Settings) -> None:
    env = _environment(settings)
    ran = subprocess.run([*TOP, "--once", "--json"], env=env, check=True, capture_output=True, text=True)
    said: Any = json.loads(ran.stdout)
    assert said["database"] == {"reachable": True, "fault": None}
    away = env | {"CLIPWARDEN_DATABASE__URL": f"postgresql://user@127.0.0.1:{free_port()}/db"}
    failed = subprocess.run([*TOP, "--once"], env=away, check=False, capture_output=True, text=True)
    assert (failed.returncode, failed.stderr) == (1, "")
    assert "the database cannot be read" in failed.stdout


def test_in_a_terminal_it_redraws_and_ctrl_c_leaves_the_screen_as_it_was(settings: Settings) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen([*TOP, "--interval", "0.5"], env=_environment(settings), stdin=follower, stdout=follower)
    os.close(follower)
    seen = b""

    def shows(what: bytes) -> bool:
        nonlocal seen
        with contextlib.suppress(OSError):  # Linux says so when the other side is gone.
            if select.select([leader], [], [], 0.1)[0]:
                seen += os.read(leader, 65536)
        return what in seen

    try:
        eventually(lambda: shows(b"per second"), within=30)
        assert b"\x1b[?1049h" in seen
        process.send_signal(signal.SIGINT)
        eventually(lambda: shows(b"\x1b[?1049l"))
        assert process.wait(20) == 0
        assert b"Traceback" not in seen
    finally:
        process.kill()
        process.wait()
        os.close(leader)
