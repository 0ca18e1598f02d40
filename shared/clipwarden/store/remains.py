"""Remains: what is kept of an asset besides its row, beside the media and in the database, and an end to it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import labels, placing
from clipwarden.moderation import Asset, AssetVersion, Location
from clipwarden.store import bulk, endpoint_states, idempotency, leftovers, rows, uploads, versions
from clipwarden.store.schema import (
    asset_context,
    asset_tags,
    asset_versions,
    assets,
    audit_events,
    deliveries,
    delivery_attempts,
    gists,
    moderations,
    posters,
    reviews,
)
from clipwarden.store.schema import leftovers as leftover_rows
from clipwarden.store.uploads import Upload

_a, _m, _d = assets.c, moderations.c, deliveries.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What is, or may be, beside the media of one asset, and of nobody else."""

    objects: frozenset[Location]
    uploads: tuple[Upload, ...]
    labels: frozenset[str]  #: Keys in the service's bucket.


def of(conn: Connection, asset: Asset, bucket: str, homes: Collection[str]) -> Remains:
    """Return what is kept of an asset; an object of a user's own, at its own place, is not ours to delete.

    ``bucket`` is the service's, and ``homes`` are those to which videos are fetched.
    """
    came = tuple(uploads.of_asset(conn, asset.account_id, asset.id))
    return Remains(
        objects=frozenset({*_objects(conn, asset, bucket), *_fetched(conn, asset, homes), *_sent(conn, asset, came)}),
        uploads=came,
        labels=frozenset(_labels(conn, asset.id)),
    )


def bytes_of(conn: Connection, asset: Asset, bucket: str) -> set[Location]:
    """Return where an asset's present bytes are, or may be."""
    return {placing.quarantine(bucket, asset), *_own(conn, asset.id, asset.location, ours=asset.ours)}


def bytes_of_version(conn: Connection, asset: Asset, version: AssetVersion, bucket: str) -> set[Location]:
    """Return where the bytes of a kept version are, or may be."""
    hidden = placing.quarantine(bucket, asset, version.version)
    return {hidden, *_own(conn, asset.id, version.location, ours=version.ours)}


def old_labels(conn: Connection, asset_id: str, *, before: datetime) -> set[str]:
    """Return the keys of labels that only moderations from before a moment are judged by."""
    old = sa.and_(_m.asset_id == asset_id, _m.created_at < before)
    return _labels_used(conn, old) - _labels_used(conn, _same_labels(conn, old), _m.created_at >= before)


def forget_labels(conn: Connection, asset_id: str, *, before: datetime) -> None:
    """Let an asset's moderations from before a moment have no labels any more; their verdicts stay."""
    rows.hold(conn, assets, [asset_id])
    gone = old_labels(conn, asset_id, before=before)
    conn.execute(sa.delete(gists).where(gists.c.labels_key.in_(gone)))
    old = sa.update(moderations).where(_m.asset_id == asset_id, _m.created_at < before, _m.labels_key.is_not(None))
    conn.execute(old.values(labels_key=None))


def lock(conn: Connection, asset_id: str) -> None:
    """Hold an asset, its moderations and its callbacks from others' changes, in the order in which others do.

    Then nobody is under way any more who will name one of them, and waits for what is held here: they can be deleted.
    """
    rows.hold(conn, assets, [asset_id])
    rows.hold(conn, moderations, _moderations(conn, asset_id))
    told = _told(conn, asset_id)
    states = sa.select(_d.endpoint_state_id).where(_d.id.in_(told)).distinct()
    endpoint_states.all_locked(conn, conn.execute(states).scalars().all())
    rows.hold(conn, deliveries, told)
    conn.execute(sa.select(_m.id).where(_m.asset_id == asset_id).order_by(_m.id).with_for_update())


def remove(conn: Connection, asset: Asset, labels_gone: Collection[str], *, now: datetime) -> None:
    """Remove an asset's row, and all rows that tell of it; of what was done, only who did it and when stays."""
    told, judged = _told(conn, asset.id), _moderations(conn, asset.id)
    idempotency.redact(conn, asset.account_id, [asset.id, *judged], now=now)
    for upload in uploads.of_asset(conn, asset.account_id, asset.id):
        uploads.forget(conn, upload.id)
    conn.execute(sa.delete(delivery_attempts).where(delivery_attempts.c.delivery_id.in_(told)))
    conn.execute(sa.delete(deliveries).where(_d.id.in_(told)))
    bulk.forget(conn, judged)
    conn.execute(sa.delete(reviews).where(reviews.c.moderation_id.in_(judged)))
    conn.execute(sa.delete(gists).where(gists.c.labels_key.in_(labels_gone)))
    _silence(conn, asset.id, judged)
    conn.execute(sa.delete(moderations).where(_m.asset_id == asset.id))
    for table in (asset_tags, asset_context, asset_versions, leftover_rows, posters):
        conn.execute(sa.delete(table).where(table.c.asset_id == asset.id))
    conn.execute(sa.delete(assets).where(_a.id == asset.id))


def _silence(conn: Connection, asset_id: str, judged: Collection[str]) -> None:
    """Take out of the audit trail what it says beside who, what and when."""
    e = audit_events.c
    beside = sa.and_(e.moderation_id.is_(None), e.asset_id == asset_id)
    for meant in (e.moderation_id.in_(judged), beside):
        conn.execute(sa.update(audit_events).where(meant).values(detail=None))


def _objects(conn: Connection, asset: Asset, bucket: str) -> Iterable[Location]:
    yield from bytes_of(conn, asset, bucket)
    for version in versions.all_of(conn, asset.id):
        yield from bytes_of_version(conn, asset, version, bucket)
    for leftover in leftovers.of_asset(conn, asset.id):
        yield placing.quarantine(bucket, asset, leftover.version)
        yield from _own(conn, asset.id, leftover.location, ours=True)


def _own(conn: Connection, asset_id: str, location: Location | None, *, ours: bool) -> Iterable[Location]:
    """Give an object that we have stored, unless another asset has it, too."""
    if location is None or not ours:
        return
    for table, owner in ((assets, _a.id), (asset_versions, asset_versions.c.asset_id)):
        same = sa.and_(table.c.bucket == location.bucket, table.c.key == location.key)
        if conn.execute(sa.select(owner).where(same, owner != asset_id).limit(1)).first() is not None:
            return
    yield location


def _fetched(conn: Connection, asset: Asset, homes: Collection[str]) -> Iterable[Location]:
    """Give where copies may be that were fetched, by whoever had no time to say so as well."""
    for moderation_id in _moderations(conn, asset.id):
        for home in homes:
            yield from _own(conn, asset.id, placing.fetched(home, asset.account_id, moderation_id), ours=True)


def _sent(conn: Connection, asset: Asset, came: Iterable[Upload]) -> Iterable[Location]:
    """Give where uploads went: of bytes that were not wanted, nothing else tells."""
    for upload in came:
        yield from _own(conn, asset.id, upload.target, ours=True)


def _labels(conn: Connection, asset_id: str) -> set[str]:
    """Return the keys of all labels of an asset's moderations but those that another asset's is judged by."""
    jobs = conn.execute(sa.select(_m.id, _m.attempt).where(_m.asset_id == asset_id)).all()
    made = {labels.key(job.id, number) for job in jobs for number in range(1, job.attempt + 1)}
    used = _labels_used(conn, _m.asset_id == asset_id)
    others = _labels_used(conn, _same_labels(conn, _m.asset_id == asset_id), _m.asset_id != asset_id)
    return (made | used) - others


def _same_labels(conn: Connection, as_by: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return the condition of being judged by labels of the same jobs: they name whose job it was, or are that."""
    origin = sa.func.coalesce(_m.labels_of, _m.id)
    origins = set(conn.execute(sa.select(origin).where(as_by, _m.labels_key.is_not(None))).scalars())
    return sa.or_(_m.id.in_(origins), _m.labels_of.in_(origins))


def _labels_used(conn: Connection, *by: sa.ColumnElement[bool]) -> set[str]:
    """Return the keys of the labels that moderations are judged by."""
    return set(conn.execute(sa.select(_m.labels_key).where(*by, _m.labels_key.is_not(None))).scalars())


def _moderations(conn: Connection, asset_id: str) -> list[str]:
    return list(conn.execute(sa.select(_m.id).where(_m.asset_id == asset_id)).scalars())


def _told(conn: Connection, asset_id: str) -> list[str]:
    """Return the ids of the callbacks that tell of an asset; the earliest name only its moderation."""
    named = sa.select(_d.id).where(_d.asset_id == asset_id)
    judged = sa.select(_d.id).where(_d.moderation_id.in_(_moderations(conn, asset_id)))
    return [*{*conn.execute(named).scalars(), *conn.execute(judged).scalars()}]
