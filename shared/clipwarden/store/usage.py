"""Usage: how much an account has."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.store.schema import asset_versions, assets

_a, _v = assets.c, asset_versions.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Of one account."""

    assets: int  #: That are not deleted.
    bytes: int  #: Of these.
    kept_bytes: int  #: Of what is kept of assets that were overwritten or deleted.


def of_account(conn: Connection, account_id: str, *, until: datetime) -> Usage:
    """Return what an account has of what had come in by a moment."""
    present = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_a.bytes), 0))
    present = present.where(_a.account_id == account_id, _a.deleted_at.is_(None), _a.created_at < until)
    count, size = conn.execute(present).one()
    # What an asset has again is among its present bytes.
    elsewhere = sa.or_(_a.version != _v.version, _a.deleted_at.is_not(None))
    kept = sa.select(sa.func.coalesce(sa.func.sum(_v.bytes), 0)).join(assets, _a.id == _v.asset_id)
    kept = kept.where(_a.account_id == account_id, elsewhere, _v.created_at < until)
    return Usage(assets=count, bytes=int(size), kept_bytes=int(conn.execute(kept).scalar_one()))
