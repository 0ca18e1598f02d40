"""Assets: the videos, where their bytes are and where they should be."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import errors, ids
from clipwarden.moderation import Asset, Facts, Location, Placement, ResourceType
from clipwarden.store import moderations, rows
from clipwarden.store.schema import assets


def obtain(conn: Connection, *, account_id: str, public_id: str, now: datetime) -> Asset:
    """Return the account's asset of this name; a new one has no bytes yet and belongs into the library."""
    return obtain_all(conn, [(account_id, public_id)], now=now)[account_id, public_id]


def obtain_all(conn: Connection, names: Collection[tuple[str, str]], *, now: datetime) -> dict[tuple[str, str], Asset]:
    """Return the assets of these accounts' ids and public ids, and make those that are not there."""
    made = rows.insert_absent(conn, assets, [_new(*name, now) for name in sorted(set(names))])
    found = {(row["account_id"], row["public_id"]): parse(row) for row in made}
    for name in set(names) - found.keys():
        found[name] = parse(conn.execute(_named(*name)).mappings().one())
    return found


def by_id(conn: Connection, id: str) -> Asset | None:
    """Return the asset with this id."""
    row = rows.by_id(conn, assets, id)
    return parse(row) if row is not None else None


def names(conn: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the names of assets by their ids; those that are gone have none."""
    c = assets.c
    return {row.id: row.public_id for row in conn.execute(sa.select(c.id, c.public_id).where(c.id.in_(ids)))}


def brought_back(conn: Connection, location: Location) -> list[Asset]:
    """Return the assets whose bytes were brought back to this object, or are on their way to it.

    The object's version plays no part.
    """
    c = assets.c
    on_their_way = sa.and_(c.placed == Placement.QUARANTINE, c.wanted == Placement.LIBRARY)
    there = sa.and_(c.restored_at.is_not(None), c.placed == Placement.LIBRARY)
    named = sa.select(assets).where(c.bucket == location.bucket, c.key == location.key, sa.or_(on_their_way, there))
    return [parse(row) for row in conn.execute(named).mappings()]


def record(
    conn: Connection,
    id: str,
    *,
    location: Location,
    bytes: int,
    etag: str | None,
    facts: Facts | None,
    now: datetime,
    fingerprint: str | None = None,
    only_version: int | None = None,
    ours: bool = False,
) -> Asset:
    """Keep what intake found out about the asset's bytes, which are where they belong now, and return the asset.

    ``ours`` says whether they were stored for this asset; of an object that it had before, that is known already.
    Bytes other than before get a version of their own and are wanted where they are, whatever was decided about the
    bytes before them; a move of those that may be under way is fenced out. Known bytes that are wanted elsewhere are
    due. Raises MediaChanged where only a version's bytes are meant, and the asset has another one by now.
    """
    found: dict[str, Any] = {
        "bucket": location.bucket,
        "key": location.key,
        "object_version": location.version,
        "bytes": bytes,
        "etag": etag,
        "fingerprint": fingerprint,
        "facts": asdict(facts) if facts is not None else None,
        "placed": Placement.LIBRARY,
        "updated_at": now,
    }
    there = sa.and_(assets.c.bucket == location.bucket, assets.c.key == location.key)
    found["ours"] = sa.case((there, assets.c.ours), else_=sa.true() if ours else sa.false())
    found["md5"] = sa.case((sa.and_(there, assets.c.etag == etag), assets.c.md5), else_=sa.null())
    statement = sa.update(assets).where(assets.c.id == id).values(**found, **_renewed(etag, now))
    if only_version is not None:
        statement = statement.where(assets.c.version == only_version)
    if (row := conn.execute(statement.returning(assets)).mappings().one_or_none()) is None:
        raise errors.MediaChanged("other bytes have come in under the asset's name since")
    moderations.outdate(conn, id, row["version"])
    return parse(row)


def _renewed(etag: str | None, now: datetime) -> dict[str, sa.ColumnElement[Any]]:
    """Return what changes where the bytes before had another etag, and what little does where they had this one."""
    seconds = int(now.timestamp())
    replaced = {
        "version": sa.case((assets.c.version < seconds, seconds), else_=assets.c.version + 1),
        "wanted": str(Placement.LIBRARY),
        "due_at": sa.null(),
        "fence": assets.c.fence + 1,
        "faults": 0,
        "restored_at": sa.null(),
    }
    anew = assets.c.etag != etag
    # Known bytes that are found where they belong, though wanted elsewhere: they were put there again, or a mover has
    # taken them away since. It is for the next one to find out.
    look = sa.and_(assets.c.wanted != Placement.LIBRARY, assets.c.due_at.is_(None))
    kept = dict(assets.c) | {"due_at": sa.case((look, _moment(now)), else_=assets.c.due_at)}
    return {name: sa.case((anew, value), else_=kept[name]) for name, value in replaced.items()}


def want(conn: Connection, id: str, placement: Placement, now: datetime) -> Asset | None:
    """Say where the bytes should be, and return the asset if somebody has to see to it; if nobody does, it is due now.

    A move that is under way, to wherever, keeps its lease: two movers at once could each undo the other's half. What
    it did not know of is seen to when it settles, or when its lease runs out. An asset that was wanted elsewhere before
    needs a look too: a move that was given up may have stopped halfway.
    """
    unsettled = sa.or_(assets.c.placed != placement, assets.c.due_at.is_not(None), assets.c.wanted != placement)
    due = sa.func.coalesce(assets.c.due_at, _moment(now))
    wanted = sa.update(assets).where(assets.c.id == id, unsettled)
    wanted = wanted.values(wanted=placement, due_at=due, faults=0, updated_at=now)
    row = conn.execute(wanted.returning(assets)).mappings().one_or_none()
    return parse(row) if row is not None else None


def settle(
    conn: Connection,
    asset: Asset,
    *,
    placed: Placement,
    now: datetime,
    location: Location | None = None,
    etag: str | None = None,
) -> bool:
    """Record where the bytes are now; if they are wanted elsewhere meanwhile, the asset is due again at once.

    ``location`` and ``etag`` are those of bytes that came back, as a copy may have others. ``False``, and nothing
    changed, when somebody else has taken the asset since.
    """
    changes: dict[str, Any] = {"placed": placed, "faults": 0, "fence": assets.c.fence + 1, "updated_at": now}
    if location is not None:
        changes |= {"object_version": location.version, "etag": etag, "restored_at": now}
    due = sa.case((assets.c.wanted == placed, sa.null()), else_=_moment(now))
    held = sa.update(assets).where(assets.c.id == asset.id, assets.c.fence == asset.fence)
    return conn.execute(held.values(**changes, due_at=due)).rowcount == 1


def parse(row: RowMapping | Mapping[str, Any]) -> Asset:
    """Return the asset that a row of ``assets`` holds."""
    values: dict[str, Any] = dict(row)
    bucket, key, version = (values.pop(name) for name in ("bucket", "key", "object_version"))
    values["location"] = Location(bucket=bucket, key=key, version=version) if bucket is not None else None
    values["facts"] = Facts(**values["facts"]) if values["facts"] is not None else None
    values["wanted"], values["placed"] = Placement(values["wanted"]), Placement(values["placed"])
    values["resource_type"], values["tags"] = ResourceType(values["resource_type"]), tuple(values["tags"])
    return Asset(**values)


def _moment(now: datetime) -> sa.ColumnElement[datetime]:
    return sa.literal(now, assets.c.due_at.type)


def _new(account_id: str, public_id: str, now: datetime) -> dict[str, Any]:
    return {
        "id": ids.new_id(),
        "account_id": account_id,
        "public_id": public_id,
        "version": int(now.timestamp()),
        "wanted": Placement.LIBRARY,
        "placed": Placement.LIBRARY,
        "fence": 0,
        "faults": 0,
        "created_at": now,
        "updated_at": now,
    }


def _named(account_id: str, public_id: str) -> sa.Select[Any]:
    """Find an uploaded video; pictures and others may have the same name."""
    c = assets.c
    kind = (c.resource_type == ResourceType.VIDEO, c.type == "upload")
    return sa.select(assets).where(c.account_id == account_id, c.public_id == public_id, *kind)
