"""What queues count is exact up to a limit, for whoever asks, and is told by an index."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from clipwarden.moderation import Kind, Status
from clipwarden.store import queues, reviews, schema
from clipwarden.store.engine import read, write
from records import account, asset, at, moderation

_STATUSES = {
    "mine": [Status.PENDING, Status.REJECTED, Status.REJECTED, Status.REJECTED],
    "theirs": [Status.REJECTED, Status.APPROVED, Status.QUEUED],
}


@pytest.fixture
def owners(engine: Engine) -> dict[str, str]:
    """Put in moderations of two accounts, and of one that has none; return the accounts' ids by their names."""
    moments = iter(range(100))
    with write(engine) as conn:
        made = {name: account(conn, name) for name in (*_STATUSES, "idle")}
        for name, statuses in _STATUSES.items():
            for status in statuses:
                second = next(moments)
                clip = asset(conn, made[name], f"clip {second}")
                moderation(conn, clip, status=status, now=at(second))
                moderation(conn, clip, kind=Kind.MANUAL, status=Status.PENDING, now=at(second))
        earlier = moderation(conn, asset(conn, made["mine"], "again"), status=Status.ABORTED, now=at(200))
        moderation(conn, asset(conn, made["mine"], "again"), status=Status.APPROVED, now=at(201))
        conn.execute(sa.update(schema.moderations).where(schema.moderations.c.id == earlier.id).values(superseded=True))
    return {name: one.id for name, one in made.items()}


def exactly(conn: Connection, account_ids: list[str] | None) -> set[queues.Count]:
    """Count without a limit, from the rows."""
    c = schema.moderations.c
    rows = conn.execute(sa.select(c.kind, c.status, c.account_id, c.created_at).where(c.superseded.is_(False))).all()
    mine = [row for row in rows if account_ids is None or row.account_id in account_ids]
    return {
        queues.Count(
            kind=Kind(kind),
            status=Status(status),
            count=sum((row.kind, row.status) == (kind, status) for row in mine),
            oldest=min(row.created_at for row in mine if (row.kind, row.status) == (kind, status)),
        )
        for kind, status in {(row.kind, row.status) for row in mine}
    }


@pytest.mark.parametrize("whose", [None, ["mine"], ["mine", "theirs"], ["idle"], []])
def test_the_newest_of_each_kind_are_counted_by_kind_and_status(
    engine: Engine, owners: dict[str, str], whose: list[str] | None
) -> None:
    account_ids = None if whose is None else [owners[name] for name in whose]
    with read(engine) as conn:
        counted = queues.counts(conn, account_ids)
        assert set(counted) == exactly(conn, account_ids)
        assert len(counted) == len(set(counted))


def test_one_more_than_the_limit_says_that_there_are_more(
    engine: Engine, owners: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "MANY", 2)
    with read(engine) as conn:
        counted = {(one.kind, one.status): one for one in queues.counts(conn, [*owners.values()])}
    assert counted[Kind.AWS_REK_VIDEO, Status.REJECTED].count == 3
    assert counted[Kind.AWS_REK_VIDEO, Status.REJECTED].oldest == at(1)
    assert counted[Kind.MANUAL, Status.PENDING].count == 3
    assert counted[Kind.AWS_REK_VIDEO, Status.APPROVED].count == 2
    assert counted[Kind.AWS_REK_VIDEO, Status.PENDING].count == 1


def test_those_that_need_help_are_counted_up_to_the_limit(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with write(engine) as conn:
        for number in range(4):
            reviews.escalate(conn, moderation(conn, asset(conn, public_id=str(number))), by="ana", now=at(0))
        mine = account(conn).id
        assert queues.escalated(conn, None) == queues.escalated(conn, [mine]) == 4
        assert queues.escalated(conn, []) == 0
        monkeypatch.setattr(queues, "MANY", 2)
        assert queues.escalated(conn, None) == queues.escalated(conn, [mine]) == 3


@pytest.mark.parametrize("everybody", [True, False])
def test_no_row_is_read_to_count(engine: Engine, owners: dict[str, str], *, everybody: bool) -> None:
    if engine.dialect.name == "postgresql":
        pytest.skip("PostgreSQL chooses by how many rows there are of a status")
    asked: list[tuple[str, Any]] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *event: asked.append((event[2], event[3])))
    with read(engine) as conn:
        queues.counts(conn, None if everybody else list(owners.values()))
        [(statement, parameters)] = asked[-1:]
        plan = conn.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    steps = [row[-1] for row in plan if " moderations" in row[-1]]
    index = "SEARCH moderations USING INDEX ix_moderations_current (account_id=? AND kind=? AND status=?)"
    assert set(steps) == {index}
    assert len(steps) == 2 * len(Kind) * len(Status)
