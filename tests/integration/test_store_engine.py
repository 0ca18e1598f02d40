import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from clipwarden import errors
from clipwarden.settings import DatabaseSettings
from clipwarden.store import accounts, clock, pools, schema
from clipwarden.store import engine as engines
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine, read, write
from fixtures.postgres import Server
from records import START, account


def settings(url: str, pool_size: int = 12) -> DatabaseSettings:
    return DatabaseSettings(url=SecretStr(url), pool_size=pool_size)


def test_a_transaction_is_kept_when_it_ends_and_undone_when_it_fails(engine: Engine) -> None:
    with write(engine) as conn:
        account(conn, "kept")
    with pytest.raises(KeyError), write(engine) as conn:  # noqa: PT012 - the transaction's body is the test
        account(conn, "undone")
        raise KeyError
    with read(engine) as conn:
        assert accounts.by_name(conn, "kept") is not None
        assert accounts.by_name(conn, "undone") is None


def test_a_reader_neither_waits_for_a_writer_nor_sees_half_of_its_work(engine: Engine) -> None:
    with write(engine) as writing:
        account(writing)
        with read(engine) as reading:
            assert accounts.by_name(reading, "demo") is None


def test_two_writers_that_read_before_they_write_lose_no_update(engine: Engine) -> None:
    rounds = 25
    with write(engine) as conn:
        pools.ensure(conn, "pool", 0, START)

    def add() -> None:
        for _ in range(rounds):
            with write(engine) as conn:
                query = sa.select(schema.pools.c.slots).with_for_update()
                seen = conn.execute(query).scalar_one()
                conn.execute(sa.update(schema.pools).values(slots=seen + 1))

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(add) for _ in range(4)]:
            done.result()
    with read(engine) as conn:
        assert pools.every(conn) == [pools.Pool(name="pool", slots=4 * rounds, limit=0)]


def test_sqlite_is_set_up_to_survive_a_power_cut_and_to_check_references(sqlite_url: str) -> None:
    engine = create_engine(settings(sqlite_url))
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
    with read(engine) as conn:
        assert [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas] == ["wal", 2, 1, 1, 30_000]
    engine.dispose()


def test_a_new_sqlite_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    url, gate = f"sqlite:///{tmp_path / 'some' / 'new' / 'folder' / 'file.db'}", threading.Barrier(8)

    def journal() -> str:
        engine = create_engine(settings(url))
        gate.wait()
        with read(engine) as conn:
            mode: str = conn.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        engine.dispose()
        return mode

    with ThreadPoolExecutor(8) as threads:
        assert {done.result() for done in [threads.submit(journal) for _ in range(8)]} == {"wal"}


def test_postgresql_speaks_utc_and_does_not_wait_for_locks_for_ever(postgresql_url: str) -> None:
    engine = create_engine(settings(postgresql_url.replace("postgresql+psycopg:", "postgres:")))
    with read(engine) as conn:
        assert [conn.exec_driver_sql(f"SHOW {name}").scalar() for name in ("timezone", "lock_timeout")] == [
            "UTC",
            "30s",
        ]
    engine.dispose()


def test_a_statement_that_postgresql_does_not_finish_is_a_transient_fault(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "STATEMENT_WAIT", 0.05)
    engine = create_engine(settings(postgresql_url))
    with pytest.raises(errors.StoreUnavailable, match="statement timeout"), read(engine) as conn:
        conn.execute(sa.select(sa.func.pg_sleep(600)))
    with write(engine) as conn:
        account(conn)
    engine.dispose()


def test_a_statement_may_take_longer_than_a_wait_for_a_lock_and_as_long_as_it_does_for_the_patient(
    postgresql_url: str,
) -> None:
    assert engines.STATEMENT_WAIT > engines.LOCK_WAIT
    for patient, limit in ((False, "40s"), (True, "0")):
        engine = create_engine(settings(postgresql_url), patient=patient)
        with read(engine) as conn:
            assert conn.exec_driver_sql("SHOW statement_timeout").scalar() == limit
        engine.dispose()


def test_a_server_that_vanishes_while_it_is_waited_for_is_asked_for_signs_of_life(postgresql_url: str) -> None:
    engine = create_engine(settings(postgresql_url))
    with read(engine) as conn:
        told: dict[str, str] = conn.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    engine.dispose()
    # The kernel gives up once the user's timeout has passed without an answer, and by itself asks after two hours only.
    assert int(told["keepalives_idle"]) * 1000 < int(told["tcp_user_timeout"]) == engines.LOCK_WAIT * 1000


def test_reading_cannot_write_on_postgresql(postgresql_url: str) -> None:
    engine = create_engine(settings(postgresql_url))
    with pytest.raises(sa.exc.DBAPIError, match="read-only"), read(engine) as conn:
        account(conn)
    with write(engine) as conn:
        account(conn)
    engine.dispose()


def test_a_database_that_is_away_is_a_transient_fault_without_the_password(tmp_path: Path) -> None:
    engine = create_engine(settings(f"postgresql://user:hunter2@/db?host={tmp_path}"))
    with pytest.raises(errors.StoreUnavailable) as caught, write(engine):
        pass
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_folder_that_is_no_database_is_a_transient_fault(tmp_path: Path) -> None:
    engine = create_engine(settings(f"sqlite:///{tmp_path}"))
    with pytest.raises(errors.StoreUnavailable), read(engine):
        pass


def test_a_lock_that_others_keep_is_a_transient_fault(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, "pool", 1, START)
    with write(engine) as holder:
        pools.admit(holder, "pool", now=START, until=START)
        with pytest.raises(errors.StoreUnavailable), impatient(engine) as other, write(other) as conn:
            pools.admit(conn, "pool", now=START, until=START)


def test_no_free_connection_is_a_transient_fault(sqlite_url: str) -> None:
    engine = create_engine(settings(sqlite_url, pool_size=1))
    engine.pool._timeout = 0.01  # type: ignore[attr-defined] # thirty seconds are too long for a test
    with read(engine), pytest.raises(errors.StoreUnavailable, match="came free"), read(engine):
        pass
    engine.dispose()


def test_a_connection_that_the_server_ended_is_a_transient_fault_and_the_next_one_works(postgresql_url: str) -> None:
    engine = create_engine(settings(postgresql_url))
    with pytest.raises(errors.StoreUnavailable), write(engine) as conn:  # noqa: PT012 - the transaction's body is the test
        with write(engine) as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid(conn)})
        account(conn)
    with write(engine) as conn:
        account(conn)
    engine.dispose()


def test_a_deadlock_is_a_transient_fault(postgresql_url: str) -> None:
    engine, gate = create_engine(settings(postgresql_url)), threading.Barrier(2)
    with write(engine) as conn:
        for name in ("one", "two"):
            pools.ensure(conn, name, 1, START)

    def lock(*names: str) -> None:
        with write(engine) as conn:
            for name in names:
                pools.ensure(conn, name, 1, START)
                if name == names[0]:
                    gate.wait()

    with ThreadPoolExecutor(2) as threads:
        faults = [done.exception() for done in (threads.submit(lock, "one", "two"), threads.submit(lock, "two", "one"))]
    assert sorted(type(fault).__name__ for fault in faults) == ["NoneType", "StoreUnavailable"]
    engine.dispose()


def test_a_wrong_statement_is_a_bug_and_not_a_transient_fault(engine: Engine) -> None:
    with pytest.raises(sa.exc.DBAPIError), read(engine) as conn:
        conn.exec_driver_sql("SELECT nothing FROM nowhere")


def test_a_value_that_postgresql_will_never_take_is_not_a_transient_fault(postgresql_url: str) -> None:
    engine = create_engine(settings(postgresql_url))
    with pytest.raises(sa.exc.OperationalError, match="index row"), write(engine) as conn:
        # Not compressible, or it would fit.
        pools.ensure(conn, "".join(f"{n:x}" for n in range(100_000)), 1, START)
    engine.dispose()


def test_secrets_in_statements_stay_out_of_messages(engine: Engine) -> None:
    with pytest.raises(sa.exc.DBAPIError) as caught, write(engine) as conn:
        conn.execute(sa.text("INSERT INTO nowhere VALUES (:secret)"), {"secret": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "postgresql://user:pw@host:hunter2/db",
        "mysql://user:hunter2@host/db",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_a_url_that_is_not_usable_is_a_configuration_error_without_the_password(url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="CLIPWARDEN_DATABASE__URL") as caught:
        create_engine(settings(url))
    assert "hunter2" not in "".join(traceback.format_exception(caught.value)).replace(url, "")


def test_the_clock_is_near_ours_when_the_database_is(engine: Engine) -> None:
    told = DatabaseClock(engine).now()
    assert told.tzinfo is UTC
    assert abs(told - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_clock_goes_forward_without_asking_again(engine: Engine) -> None:
    watched, asked = DatabaseClock(engine), 0

    def count(*_: object) -> None:
        nonlocal asked
        asked += 1

    sa.event.listen(engine, "begin", count)
    moments = [watched.now() for _ in range(1000)]
    assert moments == sorted(moments)
    assert asked <= 1


def test_a_worker_whose_own_clock_is_wrong_goes_by_the_database(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(settings(postgresql_url))
    right = datetime.now(UTC)

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Wrong":
            del tz
            return cls(1999, 12, 31, tzinfo=UTC)

    monkeypatch.setattr(clock, "datetime", Wrong)
    assert abs(DatabaseClock(engine).now() - right) < timedelta(seconds=5)
    engine.dispose()


def test_the_clock_asks_again_after_a_while_and_goes_on_alone_while_the_database_is_away(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(settings(postgres.url()))
    watched = DatabaseClock(engine)
    first = watched.now()
    monkeypatch.setattr(clock, "MEASURE_EVERY", 0.0)
    asked: list[object] = []
    sa.event.listen(engine, "begin", asked.append)
    # Each reading is right to half a round trip, so the second may be a little earlier than the first went on to tell.
    assert timedelta(seconds=-0.5) < watched.now() - first < timedelta(seconds=30)
    assert len(asked) == 1

    away = create_engine(settings("postgresql://user@/db?host=/nowhere"))
    monkeypatch.setattr(watched, "_engine", away)
    assert timedelta(seconds=-0.5) < watched.now() - first < timedelta(seconds=30)
    engine.dispose()


def test_a_clock_that_never_reached_the_database_says_so() -> None:
    with pytest.raises(errors.StoreUnavailable):
        DatabaseClock(create_engine(settings("postgresql://user@/db?host=/nowhere"))).now()


def pid(conn: sa.Connection) -> int:
    number: int = conn.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    return number


@contextmanager
def impatient(engine: Engine) -> Iterator[Engine]:
    """Give an engine on the same database that waits for locks for an instant only."""
    other = create_engine(settings(engine.url.render_as_string(hide_password=False)))
    brief = "PRAGMA busy_timeout = 20" if engine.dialect.name == "sqlite" else "SET lock_timeout = '20ms'"

    def shorten(connection: Any, _: object) -> None:
        connection.execute(brief)
        connection.commit()

    sa.event.listen(other, "connect", shorten)
    try:
        yield other
    finally:
        other.dispose()
