"""A database is migrated while others work on it: they wait for moments, the migration for as long as it takes."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Connection, Engine
from structlog.testing import capture_logs

from clipwarden.settings import DatabaseSettings
from clipwarden.store import migrating
from clipwarden.store.engine import create_engine, write
from waiting import eventually

Chain = Callable[..., None]

MIGRATION = """
from alembic import op
from clipwarden.store.migrations import indexes

revision, down_revision = "{own}", "{before}"


def upgrade() -> None:
    {does}
"""
COLUMN = 'op.execute("ALTER TABLE moderations ADD COLUMN later TEXT")'
TABLE = 'op.execute("CREATE TABLE later (id TEXT PRIMARY KEY)")'
INDEX = 'indexes.build("ix_moderations_later", "moderations", ["attempt"], where="attempt > 0")'
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_moderations_later')"
BUILDING = "SELECT 1 FROM pg_stat_progress_create_index WHERE command = 'CREATE INDEX CONCURRENTLY'"


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """Return a function that adds migrations, each of which does what it is given, behind those that there are."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrating._SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    head = migrating.newest()
    monkeypatch.setattr(migrating, "_SCRIPTS", folder)

    def add(*steps: str) -> None:
        before = head
        for number, does in enumerate(steps, 9000):
            text = MIGRATION.format(own=number, before=before, does=does)
            (folder / "versions" / f"{number}_later.py").write_text(text)
            before = str(number)

    return add


@pytest.fixture
def postgresql(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Give an engine on PostgreSQL, of whose tables migrations are less patient than usual."""
    monkeypatch.setattr(migrating, "_LOCK_TIMEOUT_MS", 300)
    monkeypatch.setattr(migrating, "_FIRST_PAUSE", 0.2)
    monkeypatch.setattr(migrating, "_LONGEST_PAUSE", 0.4)
    engine = create_engine(DatabaseSettings(url=SecretStr(postgresql_url)))
    yield engine
    engine.dispose()


@contextmanager
def migrating_meanwhile(engine: Engine) -> Iterator[None]:
    """Migrate in another thread for the time of the block, at whose end it is through."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            migrating.upgrade(engine)
        except BaseException as exc:  # noqa: BLE001 # shown below
            failed.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join(30)
    assert not thread.is_alive()
    assert failed == []


def look(conn: Connection) -> None:
    """Read as others do, who have no patience for a table that is closed for long."""
    conn.exec_driver_sql("SET LOCAL statement_timeout = '5s'")
    conn.exec_driver_sql("SELECT count(*) FROM moderations").scalar_one()


def others_read(engine: Engine, *, until: Callable[[], bool]) -> None:
    """Read again and again, so that attempts to migrate are come upon while they are under way."""

    def once() -> bool:
        with engine.begin() as conn:
            look(conn)
        return until()

    eventually(once)


def test_a_reader_that_stays_holds_up_the_migration_and_nobody_else(postgresql: Engine, chain: Chain) -> None:
    chain(TABLE, COLUMN)
    with postgresql.connect() as backup, capture_logs() as said:
        look(backup)
        with migrating_meanwhile(postgresql):
            eventually(lambda: said)
            others_read(postgresql, until=lambda: len(said) >= 4)
            assert migrating.revision(postgresql) == "9000", "what came before is done, and holds no table"
            backup.rollback()
    assert {(one["event"], one["oldest_program"]) for one in said} == {("migration waits for a table", "clipwarden")}
    assert migrating.revision(postgresql) == "9001"


def test_an_index_is_built_while_others_write(postgresql: Engine, chain: Chain) -> None:
    chain(INDEX, COLUMN)
    with postgresql.connect() as slow:
        slow.exec_driver_sql("UPDATE moderations SET attempt = attempt")
        with migrating_meanwhile(postgresql):
            eventually(lambda: found(postgresql, BUILDING))
            with write(postgresql) as conn:
                conn.exec_driver_sql("SET LOCAL statement_timeout = '5s'")
                conn.exec_driver_sql("UPDATE moderations SET attempt = attempt")
            assert found(postgresql, BUILDING), "it waits for the first writer"
            slow.rollback()
    assert found(postgresql, VALID) is True
    assert migrating.revision(postgresql) == "9001"


def test_an_index_whose_building_was_ended_is_built_anew(postgresql: Engine, chain: Chain) -> None:
    with write(postgresql) as conn:
        conn.exec_driver_sql("CREATE INDEX ix_moderations_later ON moderations (attempt) WHERE attempt > 0")
        conn.exec_driver_sql(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_moderations_later'::regclass"
        )
    chain(INDEX)
    migrating.upgrade(postgresql)
    assert found(postgresql, VALID) is True


def test_an_index_that_was_built_beforehand_is_taken_as_it_is(postgresql: Engine, chain: Chain) -> None:
    with write(postgresql) as conn:
        conn.exec_driver_sql("CREATE INDEX ix_moderations_later ON moderations (attempt) WHERE attempt > 0")
        number = conn.exec_driver_sql("SELECT 'ix_moderations_later'::regclass::oid").scalar_one()
    chain(INDEX)
    migrating.upgrade(postgresql)
    assert found(postgresql, "SELECT 'ix_moderations_later'::regclass::oid") == number


def test_an_index_is_built_on_every_database(engine: Engine, chain: Chain) -> None:
    chain(INDEX)
    migrating.upgrade(engine)
    assert "ix_moderations_later" in {one["name"] for one in sa.inspect(engine).get_indexes("moderations")}


def found(engine: Engine, query: str) -> object:
    with engine.connect() as conn:
        return conn.exec_driver_sql(query).scalar()
