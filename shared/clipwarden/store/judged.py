"""What has been decided about an asset so far, over all its moderations."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden.moderation import Moderation, Status
from clipwarden.store import moderations
from clipwarden.store.schema import moderations as table

_c = table.c


def decisions_about(conn: Connection, asset_id: str) -> int:
    """Count the decisions about an asset, overrides included: each that is told of has a number of its own.

    The caller holds the asset: who decides at the same time about another moderation of it must not count to the same
    number.
    """
    query = sa.select(sa.func.coalesce(sa.func.sum(_c.decisions), 0)).where(_c.asset_id == asset_id)
    return int(conn.execute(query).scalar_one())


def ended_chain(conn: Connection, decided: Moderation) -> list[Moderation]:
    """Return all moderations of a request for several, in their order, once none of them goes on; else nothing.

    What counts is what the outside sees: a job may run on whose moderation is decided. One that an abort has kept from
    beginning does not go on, either, unless somebody lets it.
    """
    if decided.chain is None:
        return []
    query = sa.select(table).where(_c.chain == decided.chain).order_by(_c.chain_position)
    found = [moderations.parse(row) for row in conn.execute(query).mappings()]
    statuses = {one.status for one in found}
    going = {Status.PENDING} if Status.ABORTED in statuses else {Status.PENDING, Status.QUEUED}
    return [] if statuses & going else found
