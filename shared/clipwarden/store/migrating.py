"""Leading a database to the schema that this code was written for, and refusing to work on one that it cannot use."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from clipwarden import errors
from clipwarden.store.engine import begun, read, write
from clipwarden.store.schema import schema_floor

if TYPE_CHECKING:
    from alembic.config import Config

#: Where Alembic writes down which migration was the last.
_applied = sa.table("alembic_version", sa.column("version_num", sa.Text))
_SCRIPTS = Path(__file__).parent / "migrations"

#: Key of the PostgreSQL advisory lock under which schemas change; any number that stays the same.
_LOCK = 0x636C6970


def upgrade(engine: Engine) -> None:
    """Lead the database to this code's schema; nothing happens where it is there, and a second process waits.

    Raises ConfigurationError when the schema is newer than this code, StoreUnavailable when there is no database.
    """
    from alembic import command  # noqa: PLC0415 # every process asks for the revision, and only one migrates
    from alembic.util import CommandError  # noqa: PLC0415 # the same

    with _alone(engine) as conn:
        _lock(conn)
        try:
            command.upgrade(config(conn), "head")
        except CommandError as exc:
            raise errors.ConfigurationError(f"the database is not one that this clipwarden knows: {exc}") from exc


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
