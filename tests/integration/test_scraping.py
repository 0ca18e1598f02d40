"""A scrape asks the database and the bus once each, and is answered whatever has become of them."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clipwarden import errors, metrics
from clipwarden.metrics import Reading, Source
from clipwarden.moderation import Stage
from clipwarden.settings import DatabaseSettings, Settings
from clipwarden.store.engine import create_engine, create_scraping_engine, read, write
from clipwarden_local.ports import free_port
from clipwarden_workers.gauges import Gauges
from records import START, moderation

BUS = 'clipwarden_bus_messages{queue="intake",state="unacknowledged"} 0.0'


def _scraped(sources: list[Source[Any]], directory: Path) -> list[str]:
    figures = directory / "figures"
    figures.mkdir()
    return metrics.exposition(str(figures), [metrics.Scrape(sources)]).decode().splitlines()


def _gauges(redis_url: str, database: Any) -> list[Source[Any]]:
    return Gauges(Settings.model_validate({"database": database, "redis": {"url": redis_url}})).sources()


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Give what listens, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def test_what_is_read_is_read_in_one_transaction(database: DatabaseSettings, redis_url: str, tmp_path: Path) -> None:
    engine = create_engine(database)
    with write(engine) as conn:
        moderation(conn, stage=Stage.JUDGING, now=START)
        moderation(conn, stage=Stage.DECIDED)
    engine.dispose()
    begun: list[object] = []
    note = begun.append
    sa.event.listen(sa.engine.Engine, "begin", note)
    try:
        found = _scraped(_gauges(redis_url, database), tmp_path)
    finally:
        sa.event.remove(sa.engine.Engine, "begin", note)
    assert len(begun) == 1
    assert 'clipwarden_moderations{stage="judging"} 1.0' in found
    assert not [line for line in found if "decided" in line]
    assert {'clipwarden_reachable{what="database"} 1.0', 'clipwarden_reachable{what="bus"} 1.0', BUS} <= set(found)


def _nothing_is_there(_silent: socket.socket) -> int:
    return free_port()


def _nothing_answers(silent: socket.socket) -> int:
    port: int = silent.getsockname()[1]
    return port


@pytest.mark.parametrize("away", [_nothing_is_there, _nothing_answers])
def test_a_database_that_cannot_be_reached_is_asked_once_and_said_to_be_away(
    redis_url: str, silent: socket.socket, tmp_path: Path, away: Any
) -> None:
    sources = _gauges(redis_url, {"url": f"postgresql://user:secret@127.0.0.1:{away(silent)}/db?sslmode=disable"})
    found = _scraped(sources, tmp_path)
    assert 'clipwarden_reachable{what="database"} 0.0' in found
    assert {'clipwarden_reachable{what="bus"} 1.0', BUS} <= set(found)
    assert not [line for line in found if line.startswith("clipwarden_slots")]
    if away is _nothing_answers:
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_a_bus_that_does_not_answer_is_said_to_be_away(silent: socket.socket, sqlite_url: str, tmp_path: Path) -> None:
    sources = _gauges(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", {"url": sqlite_url})
    found = _scraped(sources, tmp_path)
    assert {'clipwarden_reachable{what="database"} 1.0', 'clipwarden_reachable{what="bus"} 0.0'} <= set(found)
    silent.accept()[0].close()
    with pytest.raises(BlockingIOError):
        silent.accept()


def test_a_statement_that_takes_too_long_is_given_up(postgresql_url: str) -> None:
    engine = create_scraping_engine(DatabaseSettings.model_validate({"url": postgresql_url}))
    with read(engine) as conn:
        assert conn.exec_driver_sql("SHOW statement_timeout").scalar_one() == "5s"
        conn.exec_driver_sql("SET statement_timeout = 1")
        with pytest.raises(errors.StoreUnavailable), read(engine):
            # As at the end of its time, in less of it.
            conn.exec_driver_sql("SELECT pg_sleep(60)")


def _broken(_seen: Any) -> Any:
    raise ZeroDivisionError


def test_a_fault_in_one_gauge_or_in_one_source_leaves_all_others(tmp_path: Path) -> None:
    looks: list[int] = []

    def look() -> int:
        looks.append(1)
        return 7

    def gauge(name: str, figures: Any) -> Reading[Any]:
        return Reading(name=name, documentation="A figure.", labels=(), figures=figures)

    good, bad = gauge("good", lambda seen: [((), seen)]), gauge("bad", _broken)
    sources = [
        Source(name="a", look=look, readings=[bad, good, bad]),
        Source(name="b", look=lambda: _broken(None), readings=[gauge("other", lambda seen: [((), seen)])]),
        Source(name="c", look=lambda: 8, readings=[gauge("last", lambda seen: [((), seen)])]),
    ]
    found = _scraped(sources, tmp_path)
    assert looks == [1]
    assert [line for line in found if not line.startswith("#")] == [
        "good 7.0",
        "last 8.0",
        'clipwarden_reachable{what="a"} 1.0',
        'clipwarden_reachable{what="b"} 0.0',
        'clipwarden_reachable{what="c"} 1.0',
    ]
