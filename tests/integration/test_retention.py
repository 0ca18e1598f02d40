"""What is past its time is found, the oldest first, a little at a time, and once."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

import records
from clipwarden import ids
from clipwarden.gist import Gist
from clipwarden.moderation import Asset, DeliveryStage, Placement, Scope, Stage, Status
from clipwarden.store import attempts, deliveries, erasures, expired, gists, remains, schema, versions
from clipwarden.store.engine import write
from records import at


def _asked(conn: Connection) -> list[tuple[str, str]]:
    e = schema.erasures.c
    return [(row.asset_id, row.scope) for row in conn.execute(sa.select(e.asset_id, e.scope).order_by(e.id))]


def _change(conn: Connection, asset: Asset, **values: Any) -> None:
    conn.execute(sa.update(schema.assets).where(schema.assets.c.id == asset.id).values(**values))


def _assets(conn: Connection, number: int) -> list[Asset]:
    return [records.asset(conn, public_id=f"clip {each}") for each in range(number)]


def test_rejected_bytes_are_erased_once_they_were_left_alone_for_long(engine: Engine) -> None:
    there = {"placed": Placement.QUARANTINE, "wanted": Placement.QUARANTINE, "bucket": "b", "key": "k"}
    with write(engine) as conn:
        old, older, young, back, moving, gone, empty = _assets(conn, 7)
        for asset, changes in (
            (old, there | {"updated_at": at(2)}),
            (older, there | {"updated_at": at(1)}),
            (young, there | {"updated_at": at(9)}),
            (back, there | {"updated_at": at(1), "wanted": Placement.LIBRARY, "due_at": at(1)}),
            (moving, there | {"updated_at": at(1), "placed": Placement.LIBRARY, "due_at": at(1)}),
            (gone, there | {"updated_at": at(3), "deleted_at": at(3)}),
            (empty, there | {"updated_at": at(1), "bucket": None}),
        ):
            _change(conn, asset, **changes)
        assert expired.rejected(conn, before=at(5), now=at(10), limit=1) == 1
        assert _asked(conn) == [(older.id, Scope.BYTES)]
        assert expired.rejected(conn, before=at(5), now=at(10), limit=10) == 2
        assert expired.rejected(conn, before=at(5), now=at(10), limit=10) == 0
        assert {asset_id for asset_id, _ in _asked(conn)} == {old.id, older.id, gone.id}


def _version(conn: Connection, asset: Asset, number: int, seconds: float) -> None:
    now = at(seconds)
    there = {"bucket": "b", "key": f"k{number}", "bytes": 1, "created_at": now}
    conn.execute(sa.insert(schema.asset_versions).values(id=ids.new_id(), asset_id=asset.id, version=number, **there))


def _verdict(conn: Connection, asset: Asset, version: int, status: Status, decided: float) -> None:
    made = records.moderation(conn, asset, stage=Stage.DECIDED, status=status, now=at(1), due_at=None)
    one = sa.update(schema.moderations).where(schema.moderations.c.id == made.id)
    conn.execute(one.values(asset_version=version, decided_at=at(decided)))


def test_rejected_bytes_of_earlier_versions_are_erased_once_they_were_left_alone_for_long(engine: Engine) -> None:
    with write(engine) as conn:
        old, replaced, decided, approved, present = _assets(conn, 5)
        for asset in (old, replaced, decided, approved):
            _version(conn, asset, 1, 9 if asset is replaced else 2)
            _version(conn, asset, 2, 2)  # Of which there is no verdict.
            _verdict(conn, asset, 1, Status.APPROVED, 1)
            _verdict(conn, asset, 1, Status.REJECTED, 9 if asset is decided else 2)
        _verdict(conn, approved, 1, Status.APPROVED, 2)
        _version(conn, present, present.version, 2)
        _verdict(conn, present, present.version, Status.REJECTED, 2)
        assert expired.rejected(conn, before=at(5), now=at(10), limit=10) == 1
        assert expired.rejected(conn, before=at(5), now=at(10), limit=10) == 0
        assert _asked(conn) == [(old.id, Scope.BYTES)]
        assert [one.version for one in versions.rejected_of(conn, old.id, before=at(5))] == [1]
        assert versions.rejected_of(conn, old.id, before=at(2)) == []


def test_what_was_deleted_long_ago_is_erased(engine: Engine) -> None:
    with write(engine) as conn:
        old, young, _ = _assets(conn, 3)
        _change(conn, old, deleted_at=at(1))
        _change(conn, young, deleted_at=at(9))
        assert expired.deleted(conn, before=at(5), now=at(10), limit=10) == 1
        assert expired.deleted(conn, before=at(5), now=at(10), limit=10) == 0
        assert _asked(conn) == [(old.id, Scope.ASSET)]
        told = erasures.told(conn, old.id)
        assert told is not None
        assert (told.requested_by, told.erased_at) == (expired.BY, None)


@dataclass(frozen=True)
class Judged:
    asset: Asset
    key: str


def _judged(conn: Connection, name: str, seconds: float, *, of: str | None = None, key: str | None = None) -> Judged:
    asset = records.asset(conn, public_id=name)
    made = records.moderation(conn, asset, stage=Stage.DECIDED, status=Status.APPROVED, now=at(seconds), due_at=None)
    key = key or f"labels/{made.id}/1.jsonl.gz"
    one = sa.update(schema.moderations).where(schema.moderations.c.id == made.id)
    conn.execute(one.values(labels_key=key, labels_of=of, attempt=1))
    gists.keep(conn, key, Gist(taxonomy="7.0", heights={}), now=at(seconds))
    return Judged(asset, key)


def test_labels_go_when_all_that_are_judged_by_them_are_old(engine: Engine) -> None:
    with write(engine) as conn:
        old, young = _judged(conn, "old", 1), _judged(conn, "young", 9)
        origin = old.key.split("/")[1]
        shared = _judged(conn, "shares", 9, of=origin, key=old.key)
        lone = _judged(conn, "lone", 2)
        assert expired.labels(conn, before=at(5), now=at(10), limit=10) == 2
        assert expired.labels(conn, before=at(5), now=at(10), limit=10) == 0
        assert {asset_id for asset_id, _ in _asked(conn)} == {old.asset.id, lone.asset.id}
        assert remains.old_labels(conn, old.asset.id, before=at(5)) == set()
        assert remains.old_labels(conn, lone.asset.id, before=at(5)) == {lone.key}
        for asset in (old.asset, lone.asset):
            remains.forget_labels(conn, asset.id, before=at(5))
        m, g = schema.moderations.c, schema.gists.c
        kept = set(conn.execute(sa.select(m.labels_key).where(m.labels_key.is_not(None))).scalars())
        assert kept == {old.key, young.key}
        assert set(conn.execute(sa.select(g.labels_key)).scalars()) == kept
        assert remains.old_labels(conn, shared.asset.id, before=at(10)) == {old.key}


def test_callbacks_that_wait_for_nothing_are_forgotten_with_their_attempts(engine: Engine) -> None:
    url = "https://shop.example/in"
    with write(engine) as conn:
        account = records.account(conn)
        made = {}
        for name, seconds, stage in (
            ("old", 1, DeliveryStage.DELIVERED),
            ("failed", 2, DeliveryStage.FAILED),
            ("waits", 1, DeliveryStage.WAITING),
            ("young", 9, DeliveryStage.DELIVERED),
        ):
            made[name] = ids.new_id()
            deliveries.add(
                conn,
                id=made[name],
                account_id=account.id,
                event="moderation",
                sequence=1,
                url=url,
                body="{}",
                due_at=at(seconds),
                now=at(seconds),
                moderation_id=records.moderation(conn).id,
            )
            if stage is not DeliveryStage.WAITING:
                row = schema.deliveries.c.id == made[name]
                conn.execute(sa.update(schema.deliveries).where(row).values(stage=stage, due_at=None))
            delivery = deliveries.by_id(conn, made[name])
            assert delivery is not None
            entry = attempts.entry(
                delivery,
                request_headers={},
                status=200,
                response_headers=None,
                response_body=None,
                seconds=0.1,
                error=None,
                now=at(20),
            )
            attempts.record(conn, [entry])
        assert deliveries.sweep(conn, before=at(5), limit=1) == 1
        assert deliveries.by_id(conn, made["old"]) is None
        assert deliveries.sweep(conn, before=at(5), limit=10) == 1
        assert deliveries.sweep(conn, before=at(5), limit=10) == 0
        left = {name for name, id in made.items() if deliveries.by_id(conn, id) is not None}
        assert left == {"waits", "young"}
