import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from clipwarden import ids
from clipwarden.moderation import DeliveryStage, Stage
from clipwarden.settings import DatabaseSettings
from clipwarden.store import assets, deliveries, leases, moderations, schema
from clipwarden.store.engine import create_engine, read, write
from records import START, asset, at, moderation

M = schema.moderations


def test_of_two_takers_of_one_fence_exactly_one_wins(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn)
    gate = threading.Barrier(4)

    def take() -> bool:
        gate.wait()
        with write(engine) as conn:
            return leases.take(conn, M, row.id, fence=row.fence, until=at(30)) is not None

    with ThreadPoolExecutor(4) as threads:
        won = [done.result() for done in [threads.submit(take) for _ in range(4)]]
    assert sorted(won) == [False, False, False, True]


def test_what_is_taken_comes_with_its_new_fence_and_the_lease(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn)
        taken = leases.take(conn, M, row.id, fence=0, until=at(30))
        assert taken is not None
        held = moderations.parse(taken)
        assert (held.id, held.fence, held.due_at) == (row.id, 1, at(30))
        assert moderations.by_id(conn, row.id) == held


def test_a_row_in_another_stage_is_not_taken(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn, stage=Stage.ANALYSING)
        assert leases.take(conn, M, row.id, fence=0, until=at(30), stages=[Stage.STARTING]) is None
        assert leases.take(conn, M, row.id, fence=0, until=at(30), stages=[]) is None
        assert leases.take(conn, M, row.id, fence=0, until=at(30), stages=[Stage.STARTING, Stage.ANALYSING])


def test_a_change_ends_the_lease_and_fences_out_who_held_it(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn)
        assert leases.advance(conn, M, row.id, fence=0, now=at(1), stage=Stage.REVIEW, due_at=None)
        assert not leases.advance(conn, M, row.id, fence=0, now=at(2), stage=Stage.JUDGING)
        now = moderations.by_id(conn, row.id)
        assert now is not None
        assert (now.stage, now.fence, now.due_at, now.updated_at) == (Stage.REVIEW, 1, None, at(1))


def test_an_amendment_leaves_the_lease_and_the_fence_as_they_are(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn, due_at=at(30))
        assert leases.amend(conn, M, row.id, fence=0, now=at(1), stage=Stage.COLLECTING)
        assert not leases.amend(conn, M, row.id, fence=1, now=at(2), stage=Stage.JUDGING)
        now = moderations.by_id(conn, row.id)
        assert now is not None
        assert (now.stage, now.fence, now.due_at, now.updated_at) == (Stage.COLLECTING, 0, at(30), at(1))


def test_only_leases_that_are_still_held_are_renewed(engine: Engine) -> None:
    with write(engine) as conn:
        kept, lost = moderation(conn), moderation(conn)
        for row in (kept, lost):
            leases.take(conn, M, row.id, fence=0, until=at(30))
        leases.advance(conn, M, lost.id, fence=1, now=at(1), due_at=at(5))
        assert leases.renew(conn, M, [(kept.id, 1), (lost.id, 1), (ids.new_id(), 1)], until=at(60)) == 1
        assert leases.renew(conn, M, [], until=at(90)) == 0
        due = {row.id: row.due_at for row in conn.execute(sa.select(M.c.id, M.c.due_at))}
    assert due == {kept.id: at(60), lost.id: at(5)}


def test_due_rows_come_longest_overdue_first_once_and_with_their_fence(engine: Engine) -> None:
    with write(engine) as conn:
        late = moderation(conn, due_at=at(2), stage=Stage.JUDGING)
        later = moderation(conn, due_at=at(1), stage=Stage.INTAKE)
        moderation(conn, due_at=at(11), stage=Stage.INTAKE)
        moderation(conn, due_at=None, stage=Stage.REVIEW)
    with write(engine) as conn:
        found = leases.due(conn, M, now=at(10), until=at(40), limit=10, stages=list(Stage))
    assert [(row.id, row.stage, row.fence) for row in found] == [(later.id, "intake", 0), (late.id, "judging", 0)]
    with write(engine) as conn:
        assert leases.due(conn, M, now=at(10), until=at(40), limit=10, stages=list(Stage)) == []
        assert leases.take(conn, M, late.id, fence=0, until=at(50)) is not None


def test_a_row_whose_taker_died_falls_due_again_by_itself(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn, stage=Stage.STARTING)
        leases.take(conn, M, row.id, fence=0, until=at(30))
        assert leases.due(conn, M, now=at(29), until=at(59), limit=10, stages=[Stage.STARTING]) == []
        found = leases.due(conn, M, now=at(30), until=at(60), limit=10, stages=[Stage.STARTING])
    assert found == [leases.Due(id=row.id, stage="starting", fence=1)]


def test_only_the_stages_that_are_asked_for_are_due(engine: Engine) -> None:
    with write(engine) as conn:
        moderation(conn, stage=Stage.QUEUED)
        row = moderation(conn, stage=Stage.INTAKE)
        assert leases.due(conn, M, now=at(1), until=at(30), limit=10, stages=[]) == []
        found = leases.due(conn, M, now=at(1), until=at(30), limit=10, stages={Stage.INTAKE, Stage.JUDGING})
    assert [due.id for due in found] == [row.id]


def test_no_more_rows_are_due_than_asked_for_and_the_rest_stays(engine: Engine) -> None:
    with write(engine) as conn:
        rows = [moderation(conn, due_at=at(n), stage=list(Stage)[n % 3]) for n in range(7)]
        looks = [leases.due(conn, M, now=at(10), until=at(40), limit=3, stages=list(Stage)) for _ in range(4)]
    assert [[due.id for due in look] for look in looks] == [[row.id for row in rows[n : n + 3]] for n in (0, 3, 6, 9)]


def test_dispatchers_that_look_at_once_never_find_the_same_row(engine: Engine) -> None:
    with write(engine) as conn:
        rows = {moderation(conn, due_at=at(n / 100), stage=list(Stage)[n % 3]).id for n in range(60)}
    gate = threading.Barrier(6)

    def look() -> list[str]:
        gate.wait()
        found = []
        for _ in range(6):
            with write(engine) as conn:
                found += [due.id for due in leases.due(conn, M, now=at(10), until=at(40), limit=4, stages=list(Stage))]
        return found

    with ThreadPoolExecutor(6) as threads:
        found = [id for done in [threads.submit(look) for _ in range(6)] for id in done.result()]
    assert len(found) == len(set(found))
    with write(engine) as conn:
        found += [due.id for due in leases.due(conn, M, now=at(10), until=at(40), limit=60, stages=list(Stage))]
    assert sorted(found) == sorted(rows)


def test_a_dispatcher_does_not_wait_for_rows_that_another_one_holds(postgresql_url: str) -> None:
    engine = create_engine(DatabaseSettings.model_validate({"url": postgresql_url}))
    with write(engine) as conn:
        for _ in range(4):
            moderation(conn, stage=Stage.INTAKE)
    with write(engine) as one, write(engine) as two:
        intake = [Stage.INTAKE]
        first = leases.due(one, M, now=at(1), until=at(30), limit=2, stages=intake)
        second = leases.due(two, M, now=at(1), until=at(30), limit=4, stages=intake)
    assert len(first) == len(second) == 2
    assert not {due.id for due in first} & {due.id for due in second}
    engine.dispose()


def test_assets_and_deliveries_are_leased_by_the_same_means(engine: Engine) -> None:
    with write(engine) as conn:
        row = moderation(conn)
        owned, told = asset(conn), ids.new_id()
        leases.advance(conn, schema.assets, owned.id, fence=0, now=START, due_at=START)
        add = {
            "account_id": row.account_id,
            "moderation_id": row.id,
            "event": "moderation",
            "url": "https://a",
            "body": "{}",
        }
        deliveries.add(conn, id=told, **add, sequence=1, due_at=START, now=START)
        assert leases.due(conn, schema.assets, now=at(1), until=at(30), limit=9) == [
            leases.Due(id=owned.id, stage=None, fence=1)
        ]
        waiting = [DeliveryStage.WAITING]
        assert leases.due(conn, schema.deliveries, now=at(1), until=at(30), limit=9, stages=waiting) == [
            leases.Due(id=told, stage="waiting", fence=0)
        ]
        assert leases.take(conn, schema.assets, owned.id, fence=1, until=at(60)) is not None
        assert leases.take(conn, schema.deliveries, told, fence=0, until=at(60), stages=waiting) is not None
    with read(engine) as conn:
        held, sent = assets.by_id(conn, owned.id), deliveries.by_id(conn, told)
    assert held is not None
    assert sent is not None
    assert (held.fence, held.due_at, sent.fence, sent.due_at) == (2, at(60), 1, at(60))


@pytest.mark.parametrize("table", [schema.moderations, schema.assets, schema.deliveries], ids=lambda table: table.name)
def test_a_row_that_does_not_exist_is_not_changed(engine: Engine, table: sa.Table) -> None:
    with write(engine) as conn:
        assert leases.take(conn, table, ids.new_id(), fence=0, until=START) is None
        assert not leases.advance(conn, table, ids.new_id(), fence=0, now=START)
