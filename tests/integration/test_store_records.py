import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.engine import Connection, Engine

from clipwarden import errors, ids
from clipwarden.moderation import Asset, DeliveryStage, Facts, Location, Placement
from clipwarden.store import accounts, assets, audit, deliveries, leases, schema
from clipwarden.store.engine import read, write
from records import START, account, asset, at, moderation

FACTS = Facts(
    container="mp4",
    codec="h264",
    duration_ms=61_000,
    width=1080,
    height=1920,
    frame_rate=29.97,
    rotation=90,
    has_audio=True,
)
HOME = Location(bucket="uploads", key="clip.mp4", version="v1")


def recorded(conn: Connection, id: str, etag: str = "e", seconds: float = 1) -> Asset:
    return assets.record(conn, id, location=HOME, bytes=1234, etag=etag, facts=FACTS, now=at(seconds))


def test_an_account_is_created_once_and_then_kept_up_to_date(engine: Engine) -> None:
    with write(engine) as conn:
        given = {"name": "demo", "api_secret": "s"}
        first = accounts.ensure(conn, **given, api_key="1", now=START, notification_url="https://a")
        second = accounts.ensure(conn, **given, api_key="2", now=at(1))
        assert second == replace(first, api_key="2")
        assert (first.signature_algorithm, first.default_taxonomy, first.created_at) == ("sha1", "6.1", START)
        assert accounts.by_name(conn, "demo") == accounts.by_id(conn, first.id) == second
        moved = accounts.ensure(conn, **given, api_key="2", now=at(2), notification_url="https://b")
        assert moved == replace(second, notification_url="https://b")


def test_two_accounts_cannot_have_one_key(engine: Engine) -> None:
    with write(engine) as conn:
        accounts.ensure(conn, name="one", api_key="k", api_secret="s", now=START)
    with pytest.raises(errors.Conflict, match="two"), write(engine) as conn:
        accounts.ensure(conn, name="two", api_key="k", api_secret="s", now=START)
    with read(engine) as conn:
        assert accounts.by_name(conn, "two") is None


def test_no_account_is_none(engine: Engine) -> None:
    with read(engine) as conn:
        assert accounts.by_name(conn, "nobody") is None
        assert accounts.by_id(conn, ids.new_id()) is None
        assert accounts.by_id(conn, "nobody") is None


def test_an_asset_is_obtained_once_per_name_and_account(engine: Engine) -> None:
    with write(engine) as conn:
        owner = account(conn)
        first = assets.obtain(conn, account_id=owner.id, public_id="a/ü", now=START)
        assert assets.obtain(conn, account_id=owner.id, public_id="a/ü", now=at(9)) == first
        assert asset(conn, account(conn, "other"), "a/ü").id != first.id
        assert assets.by_id(conn, first.id) == first
    assert (first.version, first.location, first.facts) == (int(START.timestamp()), None, None)
    assert (first.wanted, first.placed, first.due_at) == (Placement.LIBRARY, Placement.LIBRARY, None)


def test_an_asset_that_many_want_at_once_is_one(engine: Engine) -> None:
    with write(engine) as conn:
        owner, gate = account(conn), threading.Barrier(6)

    def obtain() -> str:
        gate.wait()
        with write(engine) as conn:
            return asset(conn, owner).id

    with ThreadPoolExecutor(6) as threads:
        assert len({done.result() for done in [threads.submit(obtain) for _ in range(6)]}) == 1


def test_what_intake_found_is_kept(engine: Engine) -> None:
    with write(engine) as conn:
        before = asset(conn)
        after = recorded(conn, before.id)
        assert after == assets.by_id(conn, before.id)
    assert after == replace(before, location=HOME, bytes=1234, etag="e", facts=FACTS, updated_at=at(1))


def test_the_same_bytes_again_change_neither_version_nor_where_they_are_wanted(engine: Engine) -> None:
    with write(engine) as conn:
        first = recorded(conn, asset(conn).id)
        rejected = assets.want(conn, first.id, Placement.QUARANTINE, at(2))
        again = recorded(conn, first.id, seconds=3)
    assert rejected is not None
    assert again == replace(rejected, updated_at=at(3))


def test_the_same_bytes_again_are_due_where_they_were_taken_away(engine: Engine) -> None:
    with write(engine) as conn:
        first = recorded(conn, asset(conn).id)
        rejected = assets.want(conn, first.id, Placement.QUARANTINE, at(2))
        assert rejected is not None
        # Who records them has found them in the library, a moment before they were moved.
        assert assets.settle(conn, rejected, placed=Placement.QUARANTINE, now=at(3))
        again = recorded(conn, first.id, seconds=4)
    assert (again.wanted, again.placed, again.due_at) == (Placement.QUARANTINE, Placement.LIBRARY, at(4))


def test_other_bytes_get_a_version_of_their_own_and_start_in_the_library(engine: Engine) -> None:
    with write(engine) as conn:
        first = recorded(conn, asset(conn).id)
        rejected = assets.want(conn, first.id, Placement.QUARANTINE, at(2))
        assert rejected is not None
        assert assets.settle(conn, rejected, placed=Placement.QUARANTINE, now=at(3))
        second = recorded(conn, first.id, "f", seconds=3)
        third = recorded(conn, first.id, "g", seconds=3)
    assert second.version == int(at(3).timestamp()) > first.version
    assert third.version == second.version + 1
    assert (second.wanted, second.placed, second.due_at) == (Placement.LIBRARY, Placement.LIBRARY, None)
    assert second.fence == 2


def test_bytes_that_are_wanted_elsewhere_are_due_at_once(engine: Engine) -> None:
    with write(engine) as conn:
        first = recorded(conn, asset(conn).id)
        wanted = assets.want(conn, first.id, Placement.QUARANTINE, at(5))
        assert wanted == replace(first, wanted=Placement.QUARANTINE, due_at=at(5), updated_at=at(5))
        assert assets.by_id(conn, first.id) == wanted


def test_bytes_that_are_where_they_are_wanted_are_left_alone(engine: Engine) -> None:
    with write(engine) as conn:
        first = asset(conn)
        assert assets.want(conn, first.id, Placement.LIBRARY, at(5)) is None
        assert assets.by_id(conn, first.id) == first
        assert assets.want(conn, ids.new_id(), Placement.QUARANTINE, at(5)) is None


def test_a_move_under_way_keeps_its_lease_and_what_it_did_not_know_of_is_due_when_it_settles(engine: Engine) -> None:
    with write(engine) as conn:
        first = asset(conn)
        assert assets.want(conn, first.id, Placement.QUARANTINE, at(5)) is not None
        row = leases.take(conn, schema.assets, first.id, fence=0, until=at(35))
        assert row is not None
        mover = assets.parse(row)
        back = assets.want(conn, first.id, Placement.LIBRARY, at(6))
        assert back is not None
        assert (back.wanted, back.fence, back.due_at) == (Placement.LIBRARY, mover.fence, at(35))
        assert assets.settle(conn, mover, placed=Placement.QUARANTINE, now=at(7))
        after = assets.by_id(conn, first.id)
        assert after is not None
        assert (after.placed, after.due_at) == (Placement.QUARANTINE, at(7))
        assert not assets.settle(conn, mover, placed=Placement.QUARANTINE, now=at(8))


def add(conn: Connection, moderation_id: str, account_id: str, *, sequence: int = 1, url: str = "https://a") -> bool:
    return deliveries.add(
        conn,
        id=ids.new_id(),
        account_id=account_id,
        moderation_id=moderation_id,
        event="moderation",
        sequence=sequence,
        url=url,
        body='{"status": "✓"}',
        due_at=at(sequence),
        now=at(sequence),
    )


def test_a_url_is_told_of_a_decision_once(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn)
        about = (row.id, row.account_id)
        assert [add(conn, *about), add(conn, *about)] == [True, False]
        assert add(conn, *about, url="https://b")
        assert add(conn, *about, sequence=2)
        told = deliveries.of_moderation(conn, row.id)
        assert deliveries.by_id(conn, told[0].id) == told[0]
    assert sorted((delivery.sequence, delivery.url) for delivery in told) == [
        (1, "https://a"),
        (1, "https://b"),
        (2, "https://a"),
    ]
    assert told[2].body == '{"status": "✓"}'
    assert (told[2].stage, told[2].due_at, told[2].attempt) == (DeliveryStage.WAITING, at(2), 0)


def test_deliveries_are_counted_with_the_one_that_waits_for_longest(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn)
        for sequence in (1, 2, 3):
            add(conn, row.id, row.account_id, sequence=sequence)
        [first, *_] = deliveries.of_moderation(conn, row.id)
        ended = {"stage": DeliveryStage.DELIVERED, "due_at": None}
        leases.advance(conn, schema.deliveries, first.id, fence=0, now=at(9), **ended)
        found = deliveries.counts(conn)
    assert found == [deliveries.DeliveryCount(stage=DeliveryStage.WAITING, count=2, oldest=at(2))]


def test_the_audit_trail_tells_what_was_done_in_order(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn)
        about: dict[str, Any] = {"account_id": row.account_id, "moderation_id": row.id, "asset_id": row.asset_id}
        audit.record(conn, **about, actor="human:ann", action="approved", now=at(2), detail={"from": "rejected"})
        audit.record(conn, **about, actor="policy", action="rejected", now=at(1))
        audit.record(conn, account_id=row.account_id, actor="cli", action="account created", now=at(3))
        events = audit.of_moderation(conn, row.id)
    assert [(event.actor, event.action, event.detail) for event in events] == [
        ("policy", "rejected", None),
        ("human:ann", "approved", {"from": "rejected"}),
    ]
    assert (events[0].created_at, events[0].asset_id) == (at(1), row.asset_id)
