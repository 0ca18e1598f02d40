"""Leading a database to the schema that this code was written for, and refusing to work on one that it cannot use."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from clipwarden import errors, logs
from clipwarden.store.engine import begun, read, session
from clipwarden.store.schema import schema_floor

if TYPE_CHECKING:
    from alembic.config import Config

#: Where Alembic writes down which migration was the last.
_applied = sa.table("alembic_version", sa.column("version_num", sa.Text))
_SCRIPTS = Path(__file__).parent / "migrations"

#: Key of the PostgreSQL advisory lock under which schemas change; any number that stays the same.
_LOCK = 0x636C6970

#: Milliseconds that a migration waits for a table on PostgreSQL: as long, all who come after it wait for it, too.
_LOCK_TIMEOUT_MS = 3000
#: Seconds between two attempts at a table that others hold: the first pause, which doubles, and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
#: Seconds between two looks whether another process has ended its migration.
_LOOK = 0.2

#: PostgreSQL's words for a table that others hold for too long, and for two that wait for each other.
_HELD = frozenset({"55P03", "40P01"})

#: The transaction that has run for the longest: who most likely holds the table.
_OLDEST = sa.text(
    "SELECT pid, application_name AS program, date_trunc('second', now() - xact_start)::text AS open_for"
    " FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid() AND xact_start IS NOT NULL"
    " ORDER BY xact_start LIMIT 1"
)

log = logs.logger(__name__)


def upgrade(engine: Engine) -> None:
    """Lead the database to this code's schema; nothing happens where it is there, and a second process waits.

    On PostgreSQL each migration is a transaction of its own, and is tried until it gets its tables: whoever reads or
    writes them waits for an attempt at most, never for what the migration itself waits for. On SQLite, all are one.
    Raises ConfigurationError when the schema is newer than this code, StoreUnavailable when there is no database.
    """
    if engine.dialect.name == "sqlite":
        with _alone_in_sqlite(engine) as conn:
            _run(conn)
        return
    with _alone_in_postgresql(engine) as conn:
        for pause in _pauses():
            if _ran(conn):
                return
            _tell_who_holds(conn, pause)
            time.sleep(pause)


def _run(conn: Connection) -> None:
    from alembic import command  # noqa: PLC0415 # every process asks for the revision, and only one migrates
    from alembic.util import CommandError  # noqa: PLC0415 # the same

    try:
        command.upgrade(config(conn), "head")
    except CommandError as exc:
        raise errors.ConfigurationError(f"the database is not one that this clipwarden knows: {exc}") from exc


def _ran(conn: Connection) -> bool:
    """Run what is left of the migrations; say whether they got all their tables."""
    try:
        conn.execute(sa.text(f"SET lock_timeout = {_LOCK_TIMEOUT_MS}"))
        conn.commit()
        _run(conn)
    except sa.exc.OperationalError as exc:
        conn.rollback()
        if getattr(exc.orig, "sqlstate", None) not in _HELD:
            raise
        return False
    return True


def _pauses() -> Iterator[float]:
    return (min(_FIRST_PAUSE * 2**turn, _LONGEST_PAUSE) for turn in itertools.count())


def _tell_who_holds(conn: Connection, pause: float) -> None:
    oldest = conn.execute(_OLDEST).mappings().first()
    conn.rollback()
    log.warning("migration waits for a table", again_in=pause, **{f"oldest_{k}": v for k, v in (oldest or {}).items()})


def revision(engine: Engine) -> str | None:
    """Return the revision of the database's schema; ``None`` for an empty database."""
    with read(engine) as conn:
        if not sa.inspect(conn).has_table(_applied.name):
            return None
        return conn.execute(sa.select(_applied.c.version_num)).scalar_one_or_none()


def newest() -> str:
    """Return the revision of this code's schema: that of the last migration, which the names of the files tell."""
    return max(path.name.partition("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*_*.py"))


def require_usable(engine: Engine) -> None:
    """Raise ConfigurationError unless this code works with the database: of its own schema, or a later that allows it.

    While a new release is rolled out, processes of the one before work and start on the new schema.
    """
    present, needed = revision(engine), newest()
    if present == needed or (present is not None and present > needed >= _oldest(engine)):
        return
    if present is not None and present > needed:
        raise errors.ConfigurationError(
            f"the database's schema is {present}, and this clipwarden, of {needed}, is too old for it: run a newer one"
        )
    raise errors.ConfigurationError(
        f"the database's schema is {present or 'empty'}, and this clipwarden works with {needed}: "
        "run `clipwarden migrate`"
    )


def _oldest(engine: Engine) -> str:
    """Return the oldest revision whose code works with the database's schema."""
    with read(engine) as conn:
        return str(conn.execute(sa.select(schema_floor.c.revision)).scalar_one())


def config(connection: Connection | Engine | None = None) -> "Config":
    """Return Alembic's configuration: the migrations in this package, and the connection that they run on."""
    from alembic.config import Config  # noqa: PLC0415 # see upgrade

    made = Config(attributes={"connection": connection} if connection is not None else {})
    made.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    return made


@contextmanager
def _alone_in_sqlite(engine: Engine) -> Iterator[Connection]:
    """Give one transaction in which tables may be built anew; the references to them are checked at its end."""
    with engine.connect() as conn:
        raw: Any = conn.connection.driver_connection
        # SQLite changes this only outside of a transaction; one that may write is alone from its beginning.
        raw.execute("PRAGMA foreign_keys = OFF")
        try:
            with begun(conn):
                yield conn
                if conn.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise errors.ConfigurationError("the database has rows whose owners are gone: it was not changed")
        finally:
            raw.execute("PRAGMA foreign_keys = ON")


@contextmanager
def _alone_in_postgresql(engine: Engine) -> Iterator[Connection]:
    """Give a connection outside of any transaction, while no other process migrates."""
    with session(engine) as conn:
        if not _locked(conn):
            log.info("migration waits for another process")
            # Asked for again and again: a statement that waited would have a snapshot, and concurrent builds wait for
            # all that are older than they.
            while not _locked(conn):
                time.sleep(_LOOK)
        yield conn


def _locked(conn: Connection) -> bool:
    with conn.begin():
        return bool(conn.execute(sa.select(sa.func.pg_try_advisory_lock(_LOCK))).scalar_one())
