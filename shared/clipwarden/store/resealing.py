"""Sealing all secrets anew, so that a key which sealed them before can be given up."""

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from clipwarden.store.engine import read, write
from clipwarden.store.schema import Sealed, metadata

#: Rows that are held at once.
_BATCH = 500


def reseal(engine: Engine) -> int:
    """Seal every secret with the first key, and return of how many rows; to be repeated at will.

    Raises ConfigurationError where no key opens one; what was sealed until then stays so.
    """
    return sum(_table(engine, table) for table in metadata.sorted_tables if _columns(table))


def _table(engine: Engine, table: sa.Table) -> int:
    with read(engine) as conn:
        ids = list(conn.execute(sa.select(table.c.id).order_by(table.c.id)).scalars())
    for start in range(0, len(ids), _BATCH):
        with write(engine) as conn:
            found = sa.select(table.c.id, *_columns(table)).where(table.c.id.in_(ids[start : start + _BATCH]))
            for row in conn.execute(found.order_by(table.c.id).with_for_update(key_share=True)).mappings().all():
                secrets = {column.name: row[column.name] for column in _columns(table)}
                conn.execute(sa.update(table).where(table.c.id == row["id"]).values(**secrets))
    return len(ids)


def _columns(table: sa.Table) -> list[sa.Column[str]]:
    return [column for column in table.columns if isinstance(column.type, Sealed)]
