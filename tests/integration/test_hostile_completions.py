"""Whatever arrives as a completion is a hint or refused: it never changes what becomes of a moderation."""

import dataclasses
import json
from typing import Any, cast

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import Engine

from clipwarden import errors
from clipwarden.moderation import Moderation, Stage
from clipwarden.settings import Settings
from clipwarden.store import moderations, schema
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read, write
from clipwarden_workers.bus import Step
from clipwarden_workers.completions import hint
from clipwarden_workers.services import Services
from fuzzing import tried
from hostile import json_values, messages, texts, words
from records import moderation

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

JOB = "b5d6cc1e"
ours = st.just(JOB)


@dataclasses.dataclass
class Bus:
    """Takes in what would be sent."""

    sent: list[tuple[Step, str, int]] = dataclasses.field(default_factory=list)

    def send(self, step: Step, id: str, fence: int) -> None:
        self.sent.append((step, id, fence))


@dataclasses.dataclass
class Few:
    """What of a worker's services a hint needs."""

    engine: Engine
    clock: DatabaseClock
    bus: Bus
    settings: Settings = dataclasses.field(default_factory=Settings)


@pytest.fixture
def few(engine: Engine) -> Few:
    return Few(engine=engine, clock=DatabaseClock(engine), bus=Bus())


def begun(few: Few) -> list[Moderation]:
    """Return one moderation whose job runs, and one whose job has ended, under the same job id."""
    table = schema.moderations
    with write(few.engine) as conn:
        if not conn.execute(sa.select(table.c.id)).scalars().all():
            for stage in (Stage.ANALYSING, Stage.COLLECTING):
                made = moderation(conn, stage=stage, due_at=None)
                conn.execute(sa.update(table).where(table.c.id == made.id).values(job_id=JOB))
        conn.execute(sa.update(table).values(due_at=None, hinted_at=None))
    few.bus.sent.clear()
    return present(few)


def present(few: Few) -> list[Moderation]:
    with read(few.engine) as conn:
        return sorted(moderations.page(conn, limit=9).items, key=lambda one: one.stage)


def named(body: str) -> object:
    """Return which job a message names, within one envelope at most; told apart without the code under test."""
    try:
        said = json.loads(body)
        if isinstance(said, dict) and said.get("Type") == "Notification" and isinstance(said.get("Message"), str):
            said = json.loads(said["Message"])
    except (ValueError, RecursionError):
        return None
    return said.get("JobId") if isinstance(said, dict) else None


def require_a_hint_at_most(few: Few, body: str) -> None:
    before = begun(few)
    try:
        hint(cast("Services", few), body)
    except errors.MessageError:
        assert not few.bus.sent
        assert present(few) == before
        return
    after = present(few)
    running = next(one for one in before if one.stage is Stage.ANALYSING)
    assert few.bus.sent == ([(Step.COLLECT, running.id, running.fence)] if named(body) == JOB else [])
    for was, now in zip(before, after, strict=True):
        hurried: dict[str, Any] = (
            {"due_at": now.due_at, "hinted_at": now.hinted_at} if was is running and few.bus.sent else {}
        )
        assert now == dataclasses.replace(was, **hurried)


@tried(1, suppress=[HealthCheck.function_scoped_fixture])
@given(body=texts | messages.map(json.dumps))
def test_any_message_is_a_hint_or_refused(few: Few, body: str) -> None:
    require_a_hint_at_most(few, body)


@tried(1, suppress=[HealthCheck.function_scoped_fixture])
@given(
    job=ours | words | json_values,
    status=words | json_values,
    rest=st.dictionaries(texts, json_values, max_size=3),
    envelopes=st.lists(st.sampled_from(["Notification", "SubscriptionConfirmation", None, 1]), max_size=2),
)
def test_a_completion_with_anything_in_any_place_is_a_hint_or_refused(
    few: Few, job: Any, status: Any, rest: dict[str, Any], envelopes: list[Any]
) -> None:
    body = json.dumps(rest | {"JobId": job, "Status": status, "API": status, "Video": rest})
    for kind in envelopes:
        body = json.dumps(rest | {"Type": kind, "Message": body})
    require_a_hint_at_most(few, body)


def test_the_only_job_that_is_hurried_is_one_that_runs(few: Few) -> None:
    require_a_hint_at_most(few, json.dumps({"JobId": JOB, "Status": "FAILED"}))
    assert len(few.bus.sent) == 1


@tried(0.1, suppress=[HealthCheck.function_scoped_fixture])
@given(depth=st.integers(1, 100_000), opening=st.sampled_from(["[", '{"Message":', '{"JobId":']))
def test_a_completion_of_any_depth_is_refused(few: Few, depth: int, opening: str) -> None:
    with pytest.raises(errors.MessageError):
        hint(cast("Services", few), opening * depth)
    wrapped = json.dumps({"Type": "Notification", "Message": opening * depth})
    with pytest.raises(errors.MessageError):
        hint(cast("Services", few), wrapped)
