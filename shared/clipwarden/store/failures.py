"""Moderations that were aborted, counted by what went wrong."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.moderation import Status
from clipwarden.store.schema import moderations

_c = moderations.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What went wrong in one way."""

    code: str
    count: int
    newest: datetime  #: When it last did.
    reason: str  #: What that was, in words.


def counts(conn: Connection, account_ids: Collection[str] | None) -> list[Failures]:
    """Count what can be begun anew, the most frequent first; of these accounts, or of all."""
    mine = [_c.status == Status.ABORTED, _c.superseded.is_(False), _c.error_code.is_not(None)]
    if account_ids is not None:
        mine.append(_c.account_id.in_(list(account_ids)))
    query = sa.select(_c.error_code, sa.func.count().label("how_many"), sa.func.max(_c.updated_at).label("newest"))
    found = conn.execute(query.where(*mine).group_by(_c.error_code)).all()
    counted = [
        Failures(code=row.error_code, count=row.how_many, newest=row.newest, reason=_newest(conn, mine, row.error_code))
        for row in found
    ]
    return sorted(counted, key=lambda one: (-one.count, one.code))


def _newest(conn: Connection, mine: list[sa.ColumnElement[bool]], code: str) -> str:
    query = sa.select(_c.error_reason).where(*mine, _c.error_code == code).order_by(_c.updated_at.desc()).limit(1)
    return conn.execute(query).scalar_one() or ""
