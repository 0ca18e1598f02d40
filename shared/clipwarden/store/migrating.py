"""Leading a database to the schema that this code was written for, and refusing to work on any other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine

from clipwarden import errors
from clipwarden.store.engine import begun, read, write

#: Key of the PostgreSQL advisory lock under which schemas change; any number that stays the same.
_LOCK = 0x636C6970


def upgrade(engine: Engine) -> None:
    """Lead the database to this code's schema; nothing happens where it is there, and a second process waits.

    Raises ConfigurationError when the schema is newer than this code, StoreUnavailable when there is no database.
    """
    with _alone(engine) as conn:
        _lock(conn)
        try:
            command.upgrade(config(conn), "head")
        except CommandError as exc:
            raise errors.ConfigurationError(f"the database is not one that this clipwarden knows: {exc}") from exc


def revision(engine: Engine) -> str | None:
    """Return the revision of the database's schema; ``None`` for an empty database."""
    with read(engine) as conn:
        return MigrationContext.configure(conn).get_current_revision()


def require_current(engine: Engine) -> None:
    """Raise ConfigurationError unless the database has exactly this code's schema."""
    present, needed = revision(engine), ScriptDirectory.from_config(config()).get_current_head()
    if present == needed:
        return
    raise errors.ConfigurationError(
        f"the database's schema is {present or 'empty'}, and this clipwarden works with {needed}: "
        "run `clipwarden migrate` of the newest version in use"
    )


def config(connection: Connection | Engine | None = None) -> Config:
    """Return Alembic's configuration: the migrations in this package, and the connection that they run on."""
    made = Config(attributes={"connection": connection} if connection is not None else {})
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    return made


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Give one transaction in which SQLite may build tables anew; the references to them are checked at its end."""
    if engine.dialect.name != "sqlite":
        with write(engine) as conn:
            yield conn
        return
    with engine.connect() as conn:
        raw: Any = conn.connection.driver_connection
        # SQLite changes this only outside of a transaction.
        raw.execute("PRAGMA foreign_keys = OFF")
        try:
            with begun(conn):
                yield conn
                if conn.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise errors.ConfigurationError("the database has rows whose owners are gone: it was not changed")
        finally:
            raw.execute("PRAGMA foreign_keys = ON")


def _lock(conn: Connection) -> None:
    # On SQLite, a transaction that may write is alone from its beginning.
    if conn.dialect.name == "postgresql":
        conn.execute(sa.text("SET LOCAL lock_timeout = 0"))
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
