"""The library: assets by the names that an account gives them, as uploads change them and listings show them."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import errors, ids
from clipwarden.media.store import Stored
from clipwarden.moderation import (
    Account,
    Asset,
    AssetVersion,
    Facts,
    Kind,
    Location,
    Moderation,
    Placement,
    ResourceType,
    Status,
)
from clipwarden.store import assets, cursor, moderations, posters, prefixes, rows, versions
from clipwarden.store.schema import asset_context, asset_tags, in_library
from clipwarden.store.schema import assets as table
from clipwarden.store.schema import moderations as judged

_c, _m, _t = table.c, judged.c, asset_tags.c


_Order = tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What an asset is found by within its account."""

    resource_type: ResourceType
    type: str
    public_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """Bytes that came in for an asset, and what is known of them."""

    stored: Stored
    fingerprint: str | None
    facts: Facts | None
    format: str | None
    ours: bool  #: Whether they were stored for this asset, and go when it goes; else they are a user's.
    md5: str | None  #: Where they came in whole.
    poster: bytes | None = None  #: A small JPEG of a video.


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some assets, and the cursor of the next page, if there is one."""

    items: tuple[Asset, ...]
    next_cursor: str | None


def by_name(conn: Connection, account_id: str, name: Name, *, for_update: bool = False) -> Asset | None:
    """Return the account's asset of this name, deleted ones included; held from others' changes if to be updated."""
    wanted = {"account_id": account_id, "resource_type": name.resource_type, "type": name.type}
    found = conn.execute(_by_name(for_update), wanted | {"public_id": name.public_id})
    row = found.mappings().one_or_none()
    return assets.parse(row) if row is not None else None


def by_ids(conn: Connection, account_id: str, asset_ids: Sequence[str]) -> list[Asset]:
    """Return those of the account's assets that have one of these ids."""
    found = conn.execute(sa.select(table).where(_c.account_id == account_id, _c.id.in_(asset_ids))).mappings()
    return [assets.parse(row) for row in found]


def by_id(conn: Connection, account_id: str, id: str, *, for_update: bool = False) -> Asset | None:
    """Return the account's asset with this id, deleted or not; held from others' changes if to be updated."""
    query = sa.select(table).where(_c.account_id == account_id, _c.id == id)
    row = conn.execute(query.with_for_update(key_share=True) if for_update else query).mappings().one_or_none()
    return assets.parse(row) if row is not None else None


def hold(conn: Connection, account_id: str, names: Sequence[Name]) -> None:
    """Hold the account's assets of these names from others' changes to the transaction's end, in one order for all."""
    named = sa.or_(sa.false(), *(sa.and_(*_named(account_id, name)) for name in names))
    conn.execute(sa.select(_c.id).where(named).order_by(_c.id).with_for_update(key_share=True))


def has(conn: Connection, location: Location) -> bool:
    """Say whether the object at a location is an asset's, or an earlier version's."""
    there = sa.select(table.c.id).where(table.c.bucket == location.bucket, table.c.key == location.key)
    return conn.execute(there.limit(1)).first() is not None or versions.is_kept(conn, location)


def store(
    conn: Connection, account_id: str, name: Name, arrived: Bytes, *, now: datetime, **described: Any
) -> tuple[Asset, bool]:
    """Give an asset new bytes, and tell whether there was one: its old bytes are kept if it had backups.

    ``described`` are columns that say what the asset is called and belongs to. Whatever was decided about the bytes
    before says nothing about these; a move of those that may be under way is fenced out.
    """
    # Held to the transaction's end: uploads under one name come one after the other.
    before = by_name(conn, account_id, name, for_update=True)
    values = {**_arrival(arrived, now), **described}
    if before is None:
        row = rows.insert_unless_present(conn, table, {**_fresh(account_id, name, now), **values})
        if row is not None:
            made = assets.parse(row)
            _index_tags(conn, made)
            _index_context(conn, made)
            if arrived.poster is not None:
                posters.keep(conn, made, arrived.poster)
            return made, False
        before = by_name(conn, account_id, name, for_update=True)
    if before is None:
        raise LookupError("an asset that was there is gone")
    versions.part(conn, before, now)
    newest = versions.newest(conn, before)
    values |= {"version": max(int(now.timestamp()), newest + 1), "fence": _c.fence + 1}
    if before.deleted_at is not None:
        values["created_at"] = now
    asset = _described_anew(conn, before, values)
    posters.keep(conn, asset, arrived.poster)
    moderations.outdate(conn, asset.id, asset.version)
    return asset, before.deleted_at is None


def describe(conn: Connection, asset: Asset, *, now: datetime, **changes: Any) -> Asset:
    """Change what an asset is called, tagged and put into, and return it."""
    return _described_anew(conn, asset, {**changes, "updated_at": now})


def delete(conn: Connection, asset: Asset, *, now: datetime) -> bool:
    """Take an asset out of the library, and say whether these bytes were still its; they stay where they are."""
    same = sa.update(table).where(_c.id == asset.id, _c.version == asset.version)
    if conn.execute(same.values(deleted_at=now, updated_at=now)).rowcount != 1:
        return False
    if asset.backup:
        versions.keep(conn, asset, now)
    posters.forget(conn, asset.id)
    return True


def undelete(conn: Connection, asset: Asset, version: AssetVersion | None, *, now: datetime) -> Asset | None:
    """Put an asset back into the library, with the bytes of a version or those it has; ``None`` if its name is taken.

    One that was deleted and has given its name away gets that again.
    """
    name, marked, _ = asset.public_id.rpartition(f"?{asset.id}")
    if marked:
        own = Name(resource_type=asset.resource_type, type=asset.type, public_id=name)
        if (named := rename(conn, asset, own, now=now)) is None:
            return None
        asset = named
    return versions.restore(conn, asset, version, now=now)


def rename(conn: Connection, asset: Asset, name: Name, *, now: datetime) -> Asset | None:
    """Give an asset another name, and return it; ``None``, and nothing changed, where another one has that name.

    A deleted asset gives its name away. Raises Conflict when somebody else takes the name at the same time; the
    transaction cannot be used after that.
    """
    other = by_name(conn, asset.account_id, name, for_update=True)
    if other is not None and other.deleted_at is None:
        return None
    try:
        if other is not None:
            # No caller can give an asset such a name.
            describe(conn, other, now=now, public_id=f"{other.public_id}?{other.id}")
        return describe(conn, asset, now=now, type=name.type, public_id=name.public_id)
    except sa.exc.IntegrityError as exc:
        raise errors.Conflict(f"{name.public_id} was given to another asset at the same time") from exc


def listed(
    conn: Connection,
    account: Account,
    *,
    resource_type: ResourceType,
    type: str | None = None,
    prefix: str | None = None,
    tag: str | None = None,
    pair: tuple[str, str | None] | None = None,
    limit: int,
    after: str | None = None,
    newest_first: bool = True,
) -> Page:
    """Return a page of the account's library by the time at which assets came in; with a prefix, by their names.

    ``pair`` is a key of their context, and its value if that matters. Rejected assets are not in it, nor those that
    wait for a verdict where the account has those hidden. Raises Conflict when ``after`` is not a cursor.
    """
    query = sa.select(table).where(_c.account_id == account.id, _c.resource_type == resource_type, *visible(account))
    if pair is not None:
        query = query.where(_c.id.in_(_described(account.id, *pair)))
    paging: dict[str, Any] = {"limit": limit, "after": after, "newest_first": newest_first}
    return _narrowed(conn, query, account.id, resource_type, type=type, prefix=prefix, tag=tag, **paging)


def visible(account: Account) -> list[sa.ColumnElement[bool]]:
    """Return the conditions under which an asset is in the account's listings."""
    if account.pending_listed:
        return [in_library()]
    waiting = sa.select(_m.id).where(_m.asset_id == _c.id, _m.superseded.is_(False))
    return [in_library(), ~waiting.where(_m.status.in_([Status.PENDING, Status.QUEUED])).correlate(table).exists()]


def present(
    conn: Connection,
    account_id: str,
    *,
    resource_type: ResourceType,
    type: str | None = None,
    prefix: str | None = None,
    tag: str | None = None,
    limit: int,
    after: str | None = None,
    newest_first: bool = True,
) -> Page:
    """Return a page of the account's assets that are not deleted, rejected and unjudged ones among them.

    They are sorted as ``listed`` ones are. Raises Conflict when ``after`` is not a cursor.
    """
    query = sa.select(table).where(
        _c.account_id == account_id, _c.resource_type == resource_type, _c.deleted_at.is_(None)
    )
    paging: dict[str, Any] = {"limit": limit, "after": after, "newest_first": newest_first}
    return _narrowed(conn, query, account_id, resource_type, type=type, prefix=prefix, tag=tag, **paging)


def tags(
    conn: Connection,
    account_id: str,
    *,
    resource_type: ResourceType,
    prefix: str | None = None,
    limit: int,
    after: str | None = None,
) -> list[str]:
    """Return the tags that the account's assets have, in the order of their letters, from behind one of them."""
    query = sa.select(_t.tag).distinct().join(table, _c.id == _t.asset_id)
    query = query.where(_t.account_id == account_id, _c.resource_type == resource_type)
    query = query.where(_c.deleted_at.is_(None))
    if prefix is not None:
        query = query.where(prefixes.begins(_t.tag, prefix))
    if after is not None:
        query = query.where(_t.tag > after)
    return list(conn.execute(query.order_by(_t.tag).limit(limit)).scalars())


def moderated(
    conn: Connection,
    account_id: str,
    *,
    resource_type: ResourceType,
    kind: Kind,
    status: Status,
    limit: int,
    after: str | None = None,
    newest_first: bool = True,
) -> Page:
    """Return a page of the assets whose present moderation of this kind has this status, by the time it was asked for.

    Raises Conflict when ``after`` is not a cursor.
    """
    query = sa.select(table).join(judged, _m.asset_id == _c.id)
    query = query.where(
        _m.account_id == account_id,
        _m.kind == kind,
        _m.status == status,
        _m.superseded.is_(False),
        _c.resource_type == resource_type,
        _c.deleted_at.is_(None),
    )
    return _page(conn, query, (_m.created_at, _m.id), limit=limit, after=after, newest_first=newest_first)


def moderations_of(conn: Connection, asset_ids: Sequence[str]) -> dict[str, list[Moderation]]:
    """Return the present moderations of assets, each asset's in the order of their chain."""
    found: dict[str, list[Moderation]] = {id: [] for id in asset_ids}
    for row in conn.execute(_moderations_of(), {"wanted": list(asset_ids)}).mappings():
        found[row["asset_id"]].append(moderations.parse(row))
    return found


# Built once: to build a statement takes several times as long as to execute it, and each upload executes these.
@functools.cache
def _by_name(for_update: bool) -> sa.Select[Any]:  # noqa: FBT001 # what is cached is told apart by it
    names = ("account_id", "resource_type", "type", "public_id")
    query = sa.select(table).where(*(_c[name] == sa.bindparam(name, type_=_c[name].type) for name in names))
    return query.with_for_update(key_share=True) if for_update else query


@functools.cache
def _moderations_of() -> sa.Select[Any]:
    wanted = _m.asset_id.in_(sa.bindparam("wanted", type_=_m.asset_id.type, expanding=True))
    query = sa.select(judged).where(wanted, _m.superseded.is_(False))
    return query.order_by(_m.chain_position, _m.created_at, _m.id)


def _described_anew(conn: Connection, asset: Asset, values: Mapping[str, Any]) -> Asset:
    changed = sa.update(table).where(_c.id == asset.id).values(**values).returning(table)
    described = assets.parse(conn.execute(changed).mappings().one())
    if "tags" in values:
        conn.execute(sa.delete(asset_tags).where(_t.asset_id == asset.id))
        _index_tags(conn, described)
    if "context" in values:
        conn.execute(sa.delete(asset_context).where(asset_context.c.asset_id == asset.id))
        _index_context(conn, described)
    return described


def _narrowed(
    conn: Connection,
    query: sa.Select[Any],
    account_id: str,
    resource_type: ResourceType,
    *,
    type: str | None,
    prefix: str | None,
    tag: str | None,
    limit: int,
    after: str | None,
    newest_first: bool,
) -> Page:
    order: _Order = (_c.created_at, _c.id)
    if type is not None:
        query = query.where(_c.type == type)
    if tag is not None:
        query = query.join(asset_tags, _t.asset_id == _c.id)
        query = query.where(_t.account_id == account_id, _t.tag == tag, _t.resource_type == resource_type)
        order = (_t.created_at, _t.asset_id)
    if prefix is not None:
        query, newest_first = query.where(prefixes.begins(_c.public_id, prefix)), False
        order = (_c.public_id, _c.id)
    return _page(conn, query, order, limit=limit, after=after, newest_first=newest_first)


def _described(account_id: str, key: str, value: str | None) -> sa.Select[Any]:
    kept = asset_context.c
    pairs = sa.select(kept.asset_id).where(kept.account_id == account_id, kept.key == key)
    return pairs if value is None else pairs.where(kept.value == value)


def _page(
    conn: Connection,
    query: sa.Select[Any],
    order: _Order,
    *,
    limit: int,
    after: str | None,
    newest_first: bool,
) -> Page:
    query = query.add_columns(order[0].label("sorted_by"), order[1].label("and_by"))
    query = cursor.paged(query, order, limit=limit, after=after, newest_first=newest_first)
    found, columns = conn.execute(query).mappings().all(), [column.name for column in table.columns]
    items = tuple(assets.parse({name: row[name] for name in columns}) for row in found[:limit])
    end = found[limit - 1] if found[limit:] else None
    return Page(items=items, next_cursor=cursor.encode(end["sorted_by"], end["and_by"]) if end else None)


def _named(account_id: str, name: Name) -> tuple[sa.ColumnElement[bool], ...]:
    wanted: Mapping[str, str] = {"resource_type": name.resource_type, "type": name.type, "public_id": name.public_id}
    return _c.account_id == account_id, *(_c[column] == value for column, value in wanted.items())


def _fresh(account_id: str, name: Name, now: datetime) -> dict[str, Any]:
    return {
        "id": ids.new_id(),
        "account_id": account_id,
        "public_id": name.public_id,
        "resource_type": name.resource_type,
        "type": name.type,
        "version": int(now.timestamp()),
        "fence": 0,
        "created_at": now,
    }


def _arrival(arrived: Bytes, now: datetime) -> dict[str, Any]:
    there = arrived.stored.location
    return {
        "bucket": there.bucket,
        "key": there.key,
        "object_version": there.version,
        "bytes": arrived.stored.bytes,
        "etag": arrived.stored.etag,
        "fingerprint": arrived.fingerprint,
        "facts": asdict(arrived.facts) if arrived.facts else None,
        "format": arrived.format,
        "ours": arrived.ours,
        "md5": arrived.md5,
        "wanted": Placement.LIBRARY,
        "placed": Placement.LIBRARY,
        "due_at": None,
        "faults": 0,
        "restored_at": None,
        "deleted_at": None,
        "updated_at": now,
    }


def _index_tags(conn: Connection, asset: Asset) -> None:
    own: dict[str, Any] = {"asset_id": asset.id, "account_id": asset.account_id}
    own |= {"resource_type": asset.resource_type, "created_at": asset.created_at}
    if asset.tags:
        conn.execute(sa.insert(asset_tags), [{**own, "tag": tag} for tag in dict.fromkeys(asset.tags)])


def _index_context(conn: Connection, asset: Asset) -> None:
    own = {"asset_id": asset.id, "account_id": asset.account_id}
    if asset.context:
        conn.execute(sa.insert(asset_context), [{**own, "key": k, "value": v} for k, v in asset.context.items()])
