"""Graves: what became of moderations whose rows are gone, noted by the database itself in the transaction of it."""

import uuid

from sqlalchemy import Connection, Engine

from clipwarden.store.engine import write

_TABLE = "CREATE TABLE chaos_graves (id TEXT NOT NULL, attempt INTEGER NOT NULL)"
_INSERT = "INSERT INTO chaos_graves VALUES ({id}, old.attempt);"
_SQLITE = f"CREATE TRIGGER chaos_graves AFTER DELETE ON moderations BEGIN {_INSERT.format(id='old.id')} END"
_FUNCTION = "CREATE FUNCTION chaos_bury() RETURNS trigger LANGUAGE plpgsql AS $$ {} $$"
_POSTGRES = (
    _FUNCTION.format(f"BEGIN {_INSERT.format(id='old.id::text')} RETURN old; END"),
    "CREATE TRIGGER chaos_graves AFTER DELETE ON moderations FOR EACH ROW EXECUTE FUNCTION chaos_bury()",
)


def dig(engine: Engine) -> None:
    """Let the database note each moderation whose row goes."""
    with write(engine) as conn:
        for statement in (_TABLE, *((_SQLITE,) if engine.dialect.name == "sqlite" else _POSTGRES)):
            conn.exec_driver_sql(statement)


def attempts(conn: Connection) -> dict[str, int]:
    """Return how many attempts each moderation had made whose row is gone."""
    # SQLite has ids without their dashes.
    found = conn.exec_driver_sql("SELECT id, attempt FROM chaos_graves")
    return {str(uuid.UUID(row.id)): row.attempt for row in found}
