"""Labels are paid for once: the same account's same bytes are judged by those that are there already."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import callbacks
from clipwarden import decisions, metrics
from clipwarden.moderation import Location, Moderation, Stage, Status
from clipwarden.store import accounts, audit, pools, schema
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from clipwarden_workers import reuse, start
from clipwarden_workers.rekognition import Rekognition
from fixtures.pipeline import REGION, SECRET, Pipeline
from waiting import eventually

SHOWN: list[dict[str, Any]] = [
    {"at": 0, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 40},
    {"at": 500, "path": ["Violence", "Weapons"], "confidence": 70},
]
LAX = "aws_rek_video:weapons:ignore"
CURIOUS = "aws_rek_video:min_confidence:0.2"


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]], tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Reuse labels, let files be fetched, and take no process that is only slow for a dead one."""
    pipeline_settings["rekognition"]["reuse_window"] = 3600
    pipeline_settings["worker"]["lease"] = 30
    pipeline_settings["media"]["import_roots"] = str(tmp_path / "import")
    (tmp_path / "import").mkdir()
    return pipeline_settings


@pytest.fixture
def source(pipeline: Pipeline) -> str:
    """Return an object of the media store whose job reports some labels."""
    pipeline.endpoint.tell(Script.model_validate({"labels": SHOWN, "seconds": 0.1}))
    return str(pipeline.put(pipeline.clips("plain")))


def _ask(pipeline: Pipeline, source: str, **options: Any) -> str:
    return pipeline.client.enqueue(source, **{"moderation": LAX, "notification_url": pipeline.receiver.url, **options})


def _judged(pipeline: Pipeline, source: str, **options: Any) -> Moderation:
    return pipeline.decided(_ask(pipeline, source, **options))


def _jobs(pipeline: Pipeline) -> int:
    return int(pipeline.endpoint.journal.summary()["jobs"])


def _labels(pipeline: Pipeline, moderation: Moderation) -> Location:
    assert moderation.labels_key is not None
    return Location(bucket=pipeline.services.settings.media.bucket, key=moderation.labels_key)


def _slots(pipeline: Pipeline, number: int) -> None:
    with write(pipeline.services.engine) as conn:
        pools.ensure(conn, REGION, number, pipeline.services.clock.now())


def _actions(pipeline: Pipeline, moderation: Moderation) -> list[str]:
    with read(pipeline.services.engine) as conn:
        return [event.action for event in audit.of_moderation(conn, moderation.id)]


def _callback(pipeline: Pipeline, moderation: Moderation) -> dict[str, Any]:
    told = pipeline.receiver.wait_for(moderation.id, within=20)
    assert told is not None
    body: dict[str, Any] = json.loads(told.body)
    return body


def test_the_same_object_is_judged_by_another_policy_without_a_second_job(pipeline: Pipeline, source: str) -> None:
    reused, seconds = metrics.LABELS_REUSED._value, metrics.SAVED_SECONDS.labels("default", REGION)._value
    cost = metrics.SAVED_COST.labels("default", REGION)._value
    before = reused.get(), seconds.get(), cost.get()
    first = _judged(pipeline, source)
    second = _judged(pipeline, source, moderation="aws_rek_video:weapons:0.8")
    third = _judged(pipeline, source)
    assert (first.status, second.status, third.status) == (Status.APPROVED,) * 3
    assert (first.labels_of, second.labels_of, third.labels_of) == (None, first.id, first.id)
    assert (second.attempt, second.job_id, second.labels_key) == (0, None, first.labels_key)
    assert (second.label_count, second.model_version) == (first.label_count, first.model_version)
    assert _jobs(pipeline) == 1
    assert _actions(pipeline, second) == ["labels_reused", "approved"]
    assert _callback(pipeline, second)["moderation_labels_of"] == first.id
    assert "moderation_labels_of" not in _callback(pipeline, first)
    # Two videos of a second each; this is counted after the message was sent.
    eventually(lambda: cost.get() == pytest.approx(before[2] + 2 / 60 * 0.1))
    assert (reused.get(), seconds.get()) == (before[0] + 2, before[1] + 2)


def test_bytes_that_were_fetched_are_recognised_by_their_digest_wherever_they_come_from(
    pipeline: Pipeline, source: str, tmp_path: Path
) -> None:
    files = [tmp_path / "import" / name for name in ("a.mp4", "b.mp4")]
    for file in files:
        file.write_bytes(pipeline.clips("plain").read_bytes())
    first, second = (_judged(pipeline, file.as_uri()) for file in files)
    assert second.labels_of == first.id
    assert _judged(pipeline, source).labels_of is None, "an object's bytes were not read, and prove nothing"
    assert _jobs(pipeline) == 2


def test_other_bytes_are_analysed(pipeline: Pipeline, source: str, tmp_path: Path) -> None:
    first = _judged(pipeline, source)
    for name in ("plain", "mov"):
        file = tmp_path / "import" / f"{name}.mp4"
        file.write_bytes(pipeline.clips(name).read_bytes())
        assert _judged(pipeline, file.as_uri()).labels_of is None
    pipeline.put(pipeline.clips("plain"))
    again = _judged(pipeline, source)
    assert again.labels_of is None, "the object was put anew, and might be another one with the same etag"
    assert again.fingerprint != first.fingerprint


def test_another_account_pays_for_its_own_labels(pipeline: Pipeline, source: str) -> None:
    _judged(pipeline, source)
    with write(pipeline.services.engine) as conn:
        now = pipeline.services.clock.now()
        accounts.ensure(conn, name="other", api_key="other", api_secret=SECRET, now=now)
    assert _judged(pipeline, source, account="other").labels_of is None
    assert _jobs(pipeline) == 2


def test_labels_that_say_less_than_is_needed_are_not_reused_and_those_that_say_more_are_cut(
    pipeline: Pipeline, source: str
) -> None:
    own = _judged(pipeline, source)
    curious = _judged(pipeline, source, moderation=f"{CURIOUS}:weapons:ignore")
    assert curious.labels_of is None
    reused = _judged(pipeline, source)
    assert reused.labels_of == curious.id
    shown = [_callback(pipeline, moderation)["moderation_response"] for moderation in (own, reused, curious)]
    assert shown[0] == shown[1]
    assert len(shown[2]["moderation_labels"]) == len(shown[0]["moderation_labels"]) + 2
    assert reused.verdict == own.verdict


@pytest.mark.parametrize("window", [0, 60])
def test_labels_are_not_reused_after_the_window(
    window: float, pipeline_settings: dict[str, dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    pipeline_settings["rekognition"]["reuse_window"] = window
    pipeline: Pipeline = request.getfixturevalue("pipeline")
    source: str = request.getfixturevalue("source")
    first = _judged(pipeline, source)
    assert first.ended_at is not None
    if window:
        assert _judged(pipeline, source).labels_of == first.id
        with write(pipeline.services.engine) as conn:
            aged = sa.update(schema.moderations).where(schema.moderations.c.id == first.id)
            conn.execute(aged.values(ended_at=first.ended_at - timedelta(seconds=61)))
    assert _judged(pipeline, source).labels_of is None


def test_labels_that_are_gone_are_not_relied_upon(pipeline: Pipeline, source: str) -> None:
    first = _judged(pipeline, source)
    pipeline.services.media.delete(_labels(pipeline, first))
    second = _judged(pipeline, source)
    assert (second.labels_of, second.attempt, second.status) == (None, 1, Status.APPROVED)
    assert _judged(pipeline, source).labels_of == second.id


def test_labels_that_go_before_they_are_read_cost_a_job_and_abort_nothing(
    pipeline: Pipeline, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _judged(pipeline, source)
    announce = reuse.announce

    def too_late(*args: Any) -> None:
        pipeline.services.media.delete(_labels(pipeline, first))
        announce(*args)

    monkeypatch.setattr(reuse, "announce", too_late)
    second = _judged(pipeline, source)
    assert (second.labels_of, second.attempt, second.status) == (None, 1, Status.APPROVED)
    assert second.labels_key != first.labels_key
    assert _actions(pipeline, second) == ["labels_reused", "labels_gone", "approved"]
    assert _jobs(pipeline) == 2


def test_a_human_who_decided_meanwhile_makes_a_job_needless_when_the_labels_are_gone(
    pipeline: Pipeline, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _judged(pipeline, source)
    announce = reuse.announce

    def too_late(services: Any, moderation: Moderation, origin: Moderation, pool: Any) -> None:
        services.media.delete(_labels(pipeline, first))
        with write(services.engine) as conn:
            decisions.override(
                conn,
                moderation.id,
                status=Status.REJECTED,
                by="ada",
                labels=(),
                public_url="http://x",
                now=services.clock.now(),
            )
        announce(services, moderation, origin, pool)

    monkeypatch.setattr(reuse, "announce", too_late)
    second = _judged(pipeline, source)
    assert (second.status, second.decided_by, second.error_code) == (Status.REJECTED, "human:ada", None)
    assert _jobs(pipeline) == 1


def test_what_waits_for_a_slot_takes_labels_that_came_meanwhile_and_gives_the_slot_to_the_next(
    pipeline: Pipeline, source: str
) -> None:
    _slots(pipeline, 0)
    first, second = _ask(pipeline, source), _ask(pipeline, source)
    other = _ask(pipeline, str(pipeline.put(pipeline.clips("mov"), key="in/other.mov")))
    for waiting in (first, second, other):
        pipeline.when(waiting, Stage.QUEUED)
    _hold(pipeline, second, other)
    _slots(pipeline, 1)
    pipeline.decided(first)
    _hold(pipeline)
    reused, analysed = pipeline.decided(second), pipeline.decided(other)
    assert (reused.labels_of, reused.attempt, reused.job_id) == (first, 0, None)
    assert (analysed.labels_of, analysed.attempt) == (None, 1)
    assert _jobs(pipeline) == 2
    with read(pipeline.services.engine) as conn:
        assert pools.in_use(conn, REGION) == 0


def _hold(pipeline: Pipeline, *held: str) -> None:
    """Let only these wait on, of all that are queued."""
    now, c = pipeline.services.clock.now(), schema.moderations.c
    with write(pipeline.services.engine) as conn:
        queued = sa.update(schema.moderations).where(c.stage == Stage.QUEUED)
        conn.execute(queued.values(due_at=now))
        conn.execute(queued.where(c.id.in_(held)).values(due_at=now + timedelta(hours=1)))


def test_a_job_that_a_dead_process_has_started_is_not_left_for_labels_that_came_meanwhile(
    pipeline_settings: dict[str, dict[str, Any]], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline_settings["worker"]["lease"] = 1
    pipeline: Pipeline = request.getfixturevalue("pipeline")
    source: str = request.getfixturevalue("source")
    _judged(pipeline, source)
    find: Callable[..., Moderation | None] = reuse.find
    begin, started = Rekognition.start, list[str]()

    def dies(*args: Any, **options: Any) -> str:
        job_id = begin(*args, **options)
        if not started:
            started.append(job_id)
            raise BaseException("dead")  # noqa: TRY002 # nothing in the product catches it
        return job_id

    monkeypatch.setattr(Rekognition, "start", dies)
    monkeypatch.setattr(reuse, "find", lambda *args: find(*args) if started else None)
    second = _judged(pipeline, source)
    assert (second.labels_of, second.attempt, [second.job_id]) == (None, 1, started)
    assert _jobs(pipeline) == 2


def test_bytes_that_were_replaced_while_they_waited_are_not_recognised_by_the_labels_of_the_new_ones(
    pipeline: Pipeline, source: str
) -> None:
    _slots(pipeline, 0)
    first = _ask(pipeline, source, public_id="same")
    pipeline.when(first, Stage.QUEUED)
    second = _ask(pipeline, str(pipeline.put(pipeline.clips("mov"), key="in/other.mov")), public_id="same")
    pipeline.when(second, Stage.QUEUED)
    _slots(pipeline, 1)
    confused, sound = pipeline.decided(first), pipeline.decided(second)
    assert confused.fingerprint is None
    assert sound.fingerprint is not None
    assert _judged(pipeline, source).labels_of is None


def test_labels_that_could_not_be_judged_are_not_reused(
    pipeline: Pipeline, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rekognition, "labels", lambda *_: iter([{"not": "a label"}]))
    assert _judged(pipeline, source).status is Status.ABORTED
    monkeypatch.undo()
    again = _judged(pipeline, source)
    assert (again.labels_of, again.status) == (None, Status.APPROVED)


def test_only_of_a_fresh_reservation_is_it_certain_that_nobody_has_started_the_job(pipeline: Pipeline) -> None:
    now = pipeline.services.clock.now()

    def untried(age: float = -3600, *, faults: int = 0, decisions: int = 0) -> bool:
        reserved = callbacks.moderation(
            updated_at=now - timedelta(seconds=age), faults=faults, decisions=decisions, decided_by=None
        )
        return start._untried(pipeline.services, reserved)

    assert untried()
    assert not untried(pipeline.services.settings.worker.lease / 2)
    assert not untried(faults=1)
    assert not untried(decisions=2), "a human has decided, and undone it"
