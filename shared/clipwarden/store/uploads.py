"""Uploads under way: what has come of those that take several requests, and what goes again unless it is claimed."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from clipwarden import ids
from clipwarden.moderation import Location
from clipwarden.store import rows
from clipwarden.store.schema import uploads as table

_c = table.c

#: How long an upload may rest between two chunks, and how long it is remembered what it has become.
LIFETIME = timedelta(hours=24)
#: How long whoever clears an upload away is left alone.
_PAUSE = timedelta(minutes=10)
#: How uploads are called that become nothing any more; no program's id has a space.
_ABANDONED = "abandoned "
#: How an upload is called that takes one request only.
_WHOLE = "whole "


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload that somebody has begun."""

    id: str
    account_id: str
    upload_id: str  #: As the program calls it.
    target: Location
    token: str  #: Of the media store; empty where there are no parts.
    parts: tuple[tuple[int, str], ...]  #: Numbers and etags of what has come.
    next_part: int  #: The number that the next chunk's first part gets; none is given twice.
    parameters: Mapping[str, Any]  #: What the first chunk asked for.
    asset_id: str | None  #: What it has become.
    received: int  #: Bytes, without a gap.
    expires_at: datetime


def begin(
    conn: Connection,
    *,
    account_id: str,
    upload_id: str,
    target: Location,
    token: str,
    parameters: Mapping[str, Any],
    now: datetime,
) -> Upload | None:
    """Remember an upload that begins; ``None`` where the account has one of this id."""
    values = {
        "id": ids.new_id(),
        "account_id": account_id,
        "upload_id": upload_id,
        "bucket": target.bucket,
        "key": target.key,
        "token": token,
        "parts": {"kept": [], "next": 1},
        "parameters": dict(parameters),
        "received": 0,
        "created_at": now,
        "updated_at": now,
        "expires_at": now + LIFETIME,
    }
    row = rows.insert_unless_present(conn, table, values)
    return _parse(row) if row is not None else None


def foresee(conn: Connection, account_id: str, target: Location, *, now: datetime) -> str:
    """Let bytes that are about to be stored by one request go after a while, and return the id to claim them by.

    So nothing stays of an upload whose process dies before it is an asset.
    """
    name = f"{_WHOLE}{ids.new_id()}"
    made = begin(conn, account_id=account_id, upload_id=name, target=target, token="", parameters={}, now=now)
    if made is None:
        raise LookupError("an id that was just made is taken")
    return made.id


def claim(conn: Connection, id: str) -> bool:
    """Let foreseen bytes stay: the transaction makes them an asset's. ``False`` where they are being deleted."""
    return conn.execute(_claim(), {"wanted": id}).rowcount == 1


def find(conn: Connection, account_id: str, upload_id: str, *, for_update: bool = False) -> Upload | None:
    """Return the account's upload of this id, held from others' changes if it is to be updated."""
    query = sa.select(table).where(_c.account_id == account_id, _c.upload_id == upload_id)
    row = conn.execute(query.with_for_update() if for_update else query).mappings().one_or_none()
    return _parse(row) if row is not None else None


def reserve(conn: Connection, upload: Upload, parts: int) -> int:
    """Return the first of so many part numbers that nobody else gets; the upload is to be held for update."""
    document = {"kept": [list(part) for part in upload.parts], "next": upload.next_part + parts}
    conn.execute(sa.update(table).where(_c.id == upload.id).values(parts=document))
    return upload.next_part


def extend(
    conn: Connection, id: str, *, start: int, end: int, parts: Sequence[tuple[int, str]], now: datetime
) -> Upload | None:
    """Add a chunk's parts and return the upload; ``None`` where other bytes than those up to ``start`` have come."""
    row = _unfinished(conn, id)
    if row is None or row["received"] != start:
        return None
    document = {**row["parts"], "kept": [*row["parts"]["kept"], *map(list, parts)]}
    return _keep(conn, id, document, received=end, now=now)


def seal(conn: Connection, id: str, *, parts: Sequence[tuple[int, str]], received: int, now: datetime) -> Upload | None:
    """Record which parts an upload is to be made of and return it; ``None`` where it becomes nothing any more."""
    row = _unfinished(conn, id)
    if row is None:
        return None
    return _keep(conn, id, {**row["parts"], "kept": [*map(list, parts)]}, received=received, now=now)


def become(conn: Connection, id: str, asset_id: str, *, now: datetime, unwanted: bool = False) -> bool:
    """Record what an upload has become, once: ``False``, and nothing changed, where that cannot be any more.

    ``unwanted`` bytes are nobody's: the asset was there before, and keeps its own.
    """
    row = _unfinished(conn, id)
    if row is None:
        return False
    document = {**row["parts"], "asset_id": asset_id, "unwanted": unwanted}
    _keep(conn, id, document, received=row["received"], now=now)
    return True


def abandon(conn: Connection, id: str, *, now: datetime) -> bool:
    """See to it that an upload becomes nothing more, and say whether its bytes are nobody's.

    Then its row is kept, and falls due again in a while, until whoever has deleted the bytes forgets it.
    """
    row = conn.execute(sa.select(table).where(_c.id == id).with_for_update()).mappings().one_or_none()
    if row is None or not row["parts"].get("unwanted", "asset_id" not in row["parts"]):
        return False
    values = {"upload_id": f"{_ABANDONED}{id}", "expires_at": now + _PAUSE}
    conn.execute(sa.update(table).where(_c.id == id).values(**values))
    return True


def expired(conn: Connection, now: datetime, limit: int) -> list[Upload]:
    """Return some uploads that nobody goes on with, the abandoned ones among them."""
    query = sa.select(table).where(_c.expires_at <= now).order_by(_c.expires_at).limit(limit)
    return [_parse(row) for row in conn.execute(query).mappings()]


def of_asset(conn: Connection, account_id: str, asset_id: str) -> list[Upload]:
    """Return what is remembered of the uploads that became an asset."""
    became = (_c.account_id == account_id, _c.parts["asset_id"].as_string() == asset_id)
    return [_parse(row) for row in conn.execute(sa.select(table).where(*became)).mappings()]


def forget(conn: Connection, id: str) -> None:
    """Remove an upload's row."""
    conn.execute(sa.delete(table).where(_c.id == id))


@functools.cache
def _claim() -> sa.Delete:
    # One that is abandoned is called otherwise.
    wanted = sa.bindparam("wanted", type_=_c.id.type)
    return sa.delete(table).where(_c.id == wanted, _c.upload_id.startswith(_WHOLE))


def _unfinished(conn: Connection, id: str) -> RowMapping | None:
    """Return an upload that may still become an asset, held from others' changes."""
    row = conn.execute(sa.select(table).where(_c.id == id).with_for_update()).mappings().one_or_none()
    over = row is None or "asset_id" in row["parts"] or row["upload_id"].startswith(_ABANDONED)
    return None if over else row


def _keep(conn: Connection, id: str, document: Mapping[str, Any], *, received: int, now: datetime) -> Upload:
    values = {"parts": document, "received": received, "updated_at": now, "expires_at": now + LIFETIME}
    changed = sa.update(table).where(_c.id == id).values(**values).returning(table)
    return _parse(conn.execute(changed).mappings().one())


def _parse(row: RowMapping) -> Upload:
    parts = row["parts"]
    return Upload(
        id=row["id"],
        account_id=row["account_id"],
        upload_id=row["upload_id"],
        target=Location(bucket=row["bucket"], key=row["key"]),
        token=row["token"],
        parts=tuple((number, etag) for number, etag in parts["kept"]),
        next_part=parts["next"],
        parameters=row["parameters"],
        asset_id=parts.get("asset_id"),
        received=row["received"],
        expires_at=row["expires_at"],
    )
