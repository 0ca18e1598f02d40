"""Connections to the database, and transactions whose faults are clipwarden's own."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from clipwarden import errors
from clipwarden.sealing import Seal
from clipwarden.settings import DatabaseSettings
from clipwarden.store.schema import SEAL

#: Seconds that a statement waits for somebody else's lock, or for a free connection.
LOCK_WAIT = 30
#: Seconds that a statement may take in all on PostgreSQL: longer than a wait for a lock, which says more, and shorter
#: than it takes a dispatcher to count as stuck.
STATEMENT_WAIT = LOCK_WAIT + 10

_READS = "clipwarden_reads"

_SQLITE_PRAGMAS = (
    f"PRAGMA busy_timeout = {LOCK_WAIT * 1000}",
    # A verdict that was acknowledged must survive a power cut; WAL's usual NORMAL may lose the last commits.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # What is erased is overwritten in the file, too; else it lies in free pages until others use them.
    "PRAGMA secure_delete = ON",
)


def create_engine(settings: DatabaseSettings, *, patient: bool = False) -> Engine:
    """Return an engine for the configured database; nothing is connected yet.

    Somebody who is ``patient`` lets statements take as long as they do: a person can interrupt what a process cannot.
    Raises ConfigurationError for a URL that is neither a SQLite file's nor PostgreSQL's.
    """
    url = _parse(settings.url.get_secret_value())
    if url.get_backend_name() == "sqlite":
        return _sealing(_sqlite(url, settings), settings)
    return _sealing(_postgresql(url, statement_wait=0 if patient else STATEMENT_WAIT, **_pooling(settings)), settings)


def create_replica_engine(settings: DatabaseSettings) -> Engine | None:
    """Return an engine for the replica that the settings name, if they do; nothing is connected yet.

    Raises ConfigurationError for a URL that is not PostgreSQL's, or beside a SQLite file.
    """
    if not settings.replica_url:
        return None
    urls = [_parse(one.get_secret_value()) for one in (settings.url, settings.replica_url)]
    if any(url.get_backend_name() == "sqlite" for url in urls):
        raise errors.ConfigurationError("CLIPWARDEN_DATABASE__REPLICA_URL is for PostgreSQL only")
    return _sealing(_postgresql(urls[1], connect_timeout=2, **_pooling(settings)), settings)


def create_scraping_engine(settings: DatabaseSettings) -> Engine:
    """Return an engine whose connections are made in 2 s and whose statements take 5 s, or fail: for who cannot wait.

    Each connection is a new one: one that was kept may have lost its server, which is not noticed in so short a time.
    """
    url = _parse(settings.url.get_secret_value())
    if url.get_backend_name() == "sqlite":
        return create_engine(settings)
    unpooled = {"poolclass": sa.NullPool, "hide_parameters": True}
    engine = _postgresql(url, connect_timeout=2, statement_wait=5, vanish_wait=5, **unpooled)
    return _sealing(engine, settings)


def _sealing(engine: Engine, settings: DatabaseSettings) -> Engine:
    keys = [key.get_secret_value() for key in settings.secret_keys]
    beside = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
    setattr(engine.dialect, SEAL, Seal(keys, beside=beside))
    return engine


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """Give one transaction that may write; it commits at the end, or rolls back when anything was raised.

    Raises StoreUnavailable when the database cannot be reached or cannot take the transaction now.
    """
    with _own_faults(), engine.begin() as connection:
        yield connection


@contextmanager
def begun(connection: Connection) -> Iterator[Connection]:
    """Give a transaction that may write on a connection that is there; as ``write`` otherwise."""
    with _own_faults(), connection.begin():
        yield connection


@contextmanager
def session(engine: Engine) -> Iterator[Connection]:
    """Give a connection that ends with the block, and with it what its session holds; transactions are the caller's.

    Raises StoreUnavailable as ``write`` does.
    """
    with _own_faults(), engine.connect() as connection:
        try:
            yield connection
        finally:
            connection.invalidate()


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """Give one transaction that only reads, and never waits for writers.

    Raises StoreUnavailable when the database cannot be reached.
    """
    with _own_faults(), engine.connect() as connection:
        yield connection.execution_options(**{_READS: True, "postgresql_readonly": True})


def _parse(text: str) -> URL:
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # Not chained: either message may quote the URL, password included.
        raise errors.ConfigurationError("CLIPWARDEN_DATABASE__URL is not a URL that SQLAlchemy reads") from None
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise errors.ConfigurationError(
            f"CLIPWARDEN_DATABASE__URL names {url.drivername}; known are sqlite and postgresql+psycopg"
        )
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise errors.ConfigurationError("CLIPWARDEN_DATABASE__URL names no file: sqlite:///PATH is needed")
    return url


def _sqlite(url: URL, settings: DatabaseSettings) -> Engine:
    Path(url.database or "").expanduser().parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        url.set(database=str(Path(url.database or "").expanduser())),
        connect_args={"timeout": LOCK_WAIT},
        **_pooling(settings),
    )
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql(
    url: URL,
    *,
    connect_timeout: int = 10,
    statement_wait: float = STATEMENT_WAIT,
    vanish_wait: int = LOCK_WAIT,
    **pooling: Any,
) -> Engine:
    limits = f"-c lock_timeout={LOCK_WAIT}s -c statement_timeout={int(statement_wait * 1000)}"
    return sa.create_engine(
        url,
        pool_pre_ping=True,
        connect_args={
            "application_name": "clipwarden",
            "connect_timeout": connect_timeout,
            "options": f"-c timezone=UTC {limits}",
            # A server that vanished without a word is noticed within this many milliseconds, also while we wait for it.
            "tcp_user_timeout": vanish_wait * 1000,
            "keepalives_idle": 10,
            "keepalives_interval": 10,
        },
        **pooling,
    )


def _pooling(settings: DatabaseSettings) -> dict[str, Any]:
    # Parameters carry secrets of accounts, so they are kept out of messages.
    return {"pool_size": settings.pool_size, "max_overflow": 0, "pool_timeout": LOCK_WAIT, "hide_parameters": True}


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own BEGIN is a deferred one, under which two writers read the same row and one update is lost.
    connection.isolation_level = None
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma)
    _switch_to_wal(connection)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # Where several open a new file at once, SQLite refuses all but one at this point, whatever its busy_timeout.
    end = time.monotonic() + LOCK_WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def _own_faults() -> Iterator[None]:
    try:
        yield
    except sa.exc.TimeoutError as exc:
        raise errors.StoreUnavailable(f"no connection to the database came free within {LOCK_WAIT} s") from exc
    except sa.exc.DBAPIError as exc:
        if not _passes(exc):
            raise
        raise errors.StoreUnavailable(f"the database cannot take this now: {exc.orig}".splitlines()[0]) from exc


def _passes(exc: sa.exc.DBAPIError) -> bool:
    """Tell whether a fault lies in the connection, or in what others do now, not in the statement."""
    if exc.connection_invalidated or isinstance(exc, sa.exc.InterfaceError):
        return True
    if not isinstance(exc, sa.exc.OperationalError):
        return False
    if isinstance(exc.orig, sqlite3.Error):
        # sqlite3 calls a wrong statement operational too; its result code tells them apart.
        return getattr(exc.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR
    # Class 54: a value or statement that PostgreSQL finds too large, now and later.
    return not str(getattr(exc.orig, "sqlstate", None) or "").startswith("54")
