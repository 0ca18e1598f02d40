"""Gists: what any policy needs to know of labels that are kept."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.gist import Gist
from clipwarden.store import rows
from clipwarden.store.schema import gists as table


def keep(conn: Connection, labels_key: str, gist: Gist, *, now: datetime) -> None:
    """Keep the gist of the labels that are kept under a key, in place of an earlier one."""
    values = {"labels_key": labels_key, "gist": str(gist), "created_at": now}
    rows.insert_or_update(conn, table, values, key="labels_key", update={"gist": str(gist)})


def of(conn: Connection, labels_key: str) -> Gist | None:
    """Return the gist of the labels that are kept under a key, if there is one of this release's form."""
    text = conn.execute(sa.select(table.c.gist).where(table.c.labels_key == labels_key)).scalar_one_or_none()
    return Gist.read(text) if text is not None else None
