"""Whoever changes one video's rows at the same time comes one after the other; nobody waits for each other."""

import contextlib
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from clipwarden import decisions, errors, ids, undoing
from clipwarden.media.store import Stored
from clipwarden.moderation import Asset, Kind, Location, Moderation, ResourceType, Scope, Stage, Status
from clipwarden.store import (
    assets,
    deliveries,
    erasures,
    judged,
    library,
    moderations,
    pools,
    remains,
    retrying,
    schema,
)
from clipwarden.store.engine import read, write
from records import START, account, asset, at, moderation

POOL = "pool"
#: In each of so many threads.
CHANGES, THREADS = 40, 6


def _newest(conn: Connection, of: Asset) -> Moderation:
    found = moderations.newest(conn, of.id)
    assert found is not None
    return found


def _accept(conn: Connection, of: Asset, chance: random.Random) -> None:
    moderation(conn, of, stage=chance.choice([Stage.QUEUED, Stage.INTAKE]), pool=POOL)


def _accept_several(conn: Connection, of: Asset, chance: random.Random) -> None:
    """Accept at once for several videos, in any order, as a group of requests does."""
    ids_ = sorted(
        conn.execute(sa.select(schema.assets.c.id).where(schema.assets.c.account_id == of.account_id)).scalars()
    )
    several = library.by_ids(conn, of.account_id, chance.sample(ids_, 2))
    moderations.accept_all(conn, [_request(one) for one in chance.sample(several, 2)], now=START)


def _request(of: Asset) -> moderations.Request:
    return moderations.Request(
        id=ids.new_id(),
        account_id=of.account_id,
        asset_id=of.id,
        kind=Kind.AWS_REK_VIDEO,
        policy="aws_rek_video",
        source="s3://bucket/clip.mp4",
        idempotency_key=None,
        notification_urls=(),
        priority=0,
        stage=Stage.INTAKE,
        status=Status.PENDING,
        due_at=START,
    )


def _decide(conn: Connection, of: Asset, chance: random.Random) -> None:
    said = {"labels": (), "public_url": "http://clips.example", "now": at(60)}
    decisions.override(conn, _any(conn, of, chance), status=chance.choice(VERDICTS), by="ada", **said)  # type: ignore[arg-type]


def _abort(conn: Connection, of: Asset, chance: random.Random) -> None:
    row = moderations.by_id(conn, _any(conn, of, chance))
    assert row is not None
    decisions.abort(conn, row, errors.MediaNotFound("gone"), public_url="http://clips.example", now=at(60))
    pools.admit(conn, POOL, now=at(60), until=at(90))


def _cancel(conn: Connection, of: Asset, chance: random.Random) -> None:
    row = retrying.held(conn, _any(conn, of, chance), account_id=of.account_id)
    assert row is not None
    if row.status is Status.PENDING:
        decisions.cancel(conn, row, by="ada", reason=None, public_url="http://clips.example", now=at(60))
    elif row.status is Status.ABORTED and row.stage is Stage.DECIDED and not row.superseded:
        decisions.retry(conn, row, by="ada", reason=None, now=at(60))


def _look(conn: Connection, of: Asset, chance: random.Random) -> None:
    """Note other bytes, as the look at a video does, and fill the pool."""
    assert library.by_id(conn, of.account_id, of.id, for_update=True) is not None
    there, etag = Location(bucket="bucket", key="clip.mp4"), str(chance.random())
    assets.record(conn, of.id, location=there, bytes=1, etag=etag, facts=None, now=at(60))
    pools.admit(conn, POOL, now=at(60), until=at(90))


def _admit(conn: Connection, of: Asset, chance: random.Random) -> None:
    del of, chance
    pools.admit(conn, POOL, now=at(60), until=at(90))


def _forget(conn: Connection, of: Asset, chance: random.Random) -> None:
    del chance
    remains.forget_labels(conn, of.id, before=at(30))


def _lock(conn: Connection, of: Asset, chance: random.Random) -> None:
    del chance
    remains.lock(conn, of.id)


def _overwrite(conn: Connection, of: Asset, chance: random.Random) -> None:
    """Store other bytes under a name, as an upload does, and ask about those."""
    there = Location(bucket="bucket", key=ids.new_id())
    stored = Stored(location=there, bytes=1, etag=str(chance.random()))
    arrived = library.Bytes(stored=stored, fingerprint=None, facts=None, format="mp4", ours=True, md5=None, poster=b"")
    stored_as, _ = library.store(conn, of.account_id, _name(chance.choice(NAMES)), arrived, now=at(60))
    moderations.accept_all(conn, [_request(stored_as)], now=START)


def _rename(conn: Connection, of: Asset, chance: random.Random) -> None:
    before, after = (_name(one) for one in chance.sample(NAMES, 2))
    library.hold(conn, of.account_id, [before, after])
    if (named := library.by_name(conn, of.account_id, before, for_update=True)) is not None:
        library.rename(conn, named, after, now=at(60))


def _delete(conn: Connection, of: Asset, chance: random.Random) -> None:
    if (named := library.by_name(conn, of.account_id, _name(chance.choice(NAMES)))) is not None:
        library.delete(conn, named, now=at(60))


def _erase(conn: Connection, of: Asset, chance: random.Random) -> None:
    # Seldom all of it, which takes its name away.
    scope = chance.choices(list(Scope), [1 if scope is Scope.ASSET else 5 for scope in Scope])[0]
    erasures.ask(conn, of, scope, by="ada", now=at(60))
    erasures.quiet(conn, of.id, now=at(60))


def _undo(conn: Connection, of: Asset, chance: random.Random) -> None:
    """Decide with a period of grace, or have the decision back."""
    row = retrying.held(conn, _any(conn, of, chance), account_id=of.account_id)
    assert row is not None
    if undoing.undoable(conn, row, now=at(60)) is not None:
        undoing.undo(conn, row, by="ada", now=at(60))
    else:
        said = {"status": chance.choice(VERDICTS), "labels": (), "public_url": "http://clips.example", "now": at(60)}
        undoing.override(conn, row, grace=timedelta(seconds=30), by="ada", **said)  # type: ignore[arg-type]


def _name(public_id: str) -> library.Name:
    return library.Name(resource_type=ResourceType.VIDEO, type="upload", public_id=public_id)


NAMES = ["clip", "other", "third"]
VERDICTS = [Status.APPROVED, Status.REJECTED]
EVERYTHING: list[Callable[[Connection, Asset, random.Random], None]] = [
    *(_accept, _accept_several, _decide, _abort, _cancel, _look, _admit, _forget, _lock),
    *(_overwrite, _rename, _delete, _erase, _undo),
]


def _any(conn: Connection, of: Asset, chance: random.Random) -> str:
    return chance.choice(moderations.of_asset(conn, of.id, limit=5)).id


@pytest.mark.parametrize("seed", range(2))
def test_changes_of_one_video_at_the_same_time_never_wait_for_each_other(engine: Engine, seed: int) -> None:
    with write(engine) as conn:
        owner = account(conn)
        videos = [asset(conn, owner, name) for name in ("clip", "other")]
        pools.ensure(conn, POOL, 1000, START)
        for video in videos:
            moderation(conn, video)
    begin = threading.Barrier(THREADS)

    def change(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        begin.wait(10)
        for _ in range(CHANGES):
            # Of a deadlock, one ends as StoreUnavailable; what others have forestalled is a Conflict.
            with contextlib.suppress(errors.Conflict), write(engine) as conn:
                chance.choice(EVERYTHING)(conn, chance.choice(videos), chance)

    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(change, number) for number in range(THREADS)]:
            done.result(120)
    _everything_adds_up(engine, videos)


def _everything_adds_up(engine: Engine, videos: list[Asset]) -> None:
    c = schema.moderations.c
    with read(engine) as conn:
        for video in videos:
            counting = sa.select(c.id).where(c.asset_id == video.id, c.superseded.is_(False))
            assert len(conn.execute(counting).all()) <= 1
            audited = sa.select(sa.func.count()).where(
                schema.audit_events.c.asset_id == video.id,
                schema.audit_events.c.action.in_([*Status, "undone"]),
            )
            assert judged.decisions_about(conn, video.id) == conn.execute(audited).scalar_one()
            assert _newest(conn, video).stage in Stage


def test_a_verdict_on_what_a_human_decided_meanwhile_is_evidence_and_told_to_nobody(engine: Engine) -> None:
    said = {"labels": (), "public_url": "http://clips.example", "now": at(60)}
    with write(engine) as conn:
        taken = moderation(conn, stage=Stage.JUDGING, notification_urls=["https://a.example/"])
        decisions.override(conn, taken.id, status=Status.APPROVED, by="ada", **said)  # type: ignore[arg-type]
        told = deliveries.of_moderation(conn, taken.id)
        ended = decisions.conclude(conn, taken, status=Status.REJECTED, verdict={"reasons": []}, **said)  # type: ignore[arg-type]
        assert ended is not None
        assert (ended.status, ended.decided_by, ended.decisions) == (Status.APPROVED, "human:ada", 1)
        assert deliveries.of_moderation(conn, taken.id) == told
        found = sa.select(schema.audit_events.c.action).where(schema.audit_events.c.moderation_id == taken.id)
        assert sorted(conn.execute(found).scalars()) == ["approved", "verdict_kept_as_evidence"]
