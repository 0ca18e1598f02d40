"""How many moderations are in each stage, and since when the one that is there for longest."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from clipwarden.moderation import Stage, Status
from clipwarden.store import leases, moderations, schema
from clipwarden.store.engine import write
from records import at, decide, moderation, present


def test_stages_are_counted_but_for_the_last_with_what_is_there_for_longest(engine: Engine) -> None:
    with write(engine) as conn:
        moderation(conn, stage=Stage.QUEUED, now=at(5))
        moderation(conn, stage=Stage.QUEUED, now=at(2))
        decide(conn, moderation(conn, stage=Stage.JUDGING))
        assert moderations.stages(conn) == [counted(Stage.QUEUED, 2, at(2))]


def test_what_is_put_off_is_as_old_in_its_stage_as_before_and_what_moves_on_is_new_there(engine: Engine) -> None:
    with write(engine) as conn:
        made = moderation(conn, stage=Stage.STARTING, now=at(0))

        def changed(seconds: float, **changes: Any) -> list[moderations.StageCount]:
            fence = present(conn, made.id).fence
            assert leases.advance(conn, schema.moderations, made.id, fence=fence, now=at(seconds), **changes)
            return moderations.stages(conn)

        assert changed(10, due_at=at(20), faults=1) == [counted(Stage.STARTING, 1, at(0))]
        assert changed(30, stage=Stage.ANALYSING) == [counted(Stage.ANALYSING, 1, at(30))]
        # Looked at: it is still to be analysed.
        assert changed(50, stage=Stage.ANALYSING, looks=1) == [counted(Stage.ANALYSING, 1, at(30))]
        assert changed(60, due_at=at(70)) == [counted(Stage.ANALYSING, 1, at(30))]
        assert changed(80, stage=Stage.QUEUED) == [counted(Stage.QUEUED, 1, at(80))]


def test_of_a_row_that_an_earlier_release_made_the_age_in_its_stage_is_its_whole_age(engine: Engine) -> None:
    with write(engine) as conn:
        made = moderation(conn, stage=Stage.INTAKE, now=at(3))
        conn.execute(sa.update(schema.moderations).values(stage_since=None, updated_at=at(9)))
        assert moderations.stages(conn) == [counted(Stage.INTAKE, 1, at(3))]
        leases.advance(conn, schema.moderations, made.id, fence=0, now=at(12), stage=Stage.INTAKE)
        assert moderations.stages(conn) == [counted(Stage.INTAKE, 1, at(3))]
        leases.advance(conn, schema.moderations, made.id, fence=1, now=at(15), stage=Stage.QUEUED)
        assert moderations.stages(conn) == [counted(Stage.QUEUED, 1, at(15))]


def test_what_waits_for_others_of_its_chain_has_no_age_until_it_is_begun(engine: Engine) -> None:
    with write(engine) as conn:
        first = moderation(conn, stage=Stage.JUDGING, now=at(0))
        second = moderation(conn, stage=Stage.INTAKE, status=Status.QUEUED, due_at=None, now=at(0))
        for position, one in enumerate((first, second)):
            chained = {"chain": first.id, "chain_position": position}
            conn.execute(sa.update(schema.moderations).where(schema.moderations.c.id == one.id).values(**chained))
        decide(conn, first, status=Status.APPROVED)
        assert moderations.stages(conn) == [counted(Stage.INTAKE, 1, None)]
        moderations.follow(conn, present(conn, first.id), now=at(40))
        assert moderations.stages(conn) == [counted(Stage.INTAKE, 1, at(40))]


def counted(stage: Stage, count: int, oldest: datetime | None) -> moderations.StageCount:
    return moderations.StageCount(stage=stage, count=count, oldest=oldest)
