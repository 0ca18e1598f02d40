"""Alembic's entry: runs migrations on the connection, or engine, that the configuration carries."""

from alembic import context
from sqlalchemy.engine import Connection, Engine

from clipwarden.store.schema import metadata


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        # All or nothing, on SQLite too: its DDL is part of the transaction.
        transactional_ddl=True,
        # Locks are given back after each; nothing of this holds within a transaction of the caller's.
        transaction_per_migration=True,
        in_transaction=connection.in_transaction(),
    )
    with context.begin_transaction():
        context.run_migrations()


_target = context.config.attributes["connection"]
if isinstance(_target, Engine):
    with _target.connect() as _connection:
        _run(_connection)
else:
    _run(_target)
