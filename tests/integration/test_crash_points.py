"""A process may die between any two side effects: the verdict comes all the same, once, and is paid for once."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from clipwarden import decisions, labels
from clipwarden.egress import Egress
from clipwarden.media.folder import FolderStore
from clipwarden.moderation import Location, Moderation, Placement, Stage, Status
from clipwarden.store import assets, pools
from clipwarden.store.engine import read
from clipwarden_local.analysis.scripted import Script
from clipwarden_workers import collect, decide, reuse, start
from clipwarden_workers.bus import Bus, Step
from clipwarden_workers.rekognition import Rekognition
from fixtures.pipeline import REGION, Pipeline
from waiting import eventually


class Death(BaseException):
    """Raised where the process dies: nothing in the product catches it, and its lease is not kept any more."""


def _dies(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool, when: Callable[..., bool]
) -> list[str]:
    """Let the first matching call of a function be the process's last deed; returns what has died."""
    function = getattr(owner, name)
    deaths: list[str] = []

    def fatal(*args: Any, **options: Any) -> Any:
        if deaths or not when(*args, **options):
            return function(*args, **options)
        deaths.append(name)
        if after:
            function(*args, **options)
        raise Death(name)

    monkeypatch.setattr(owner, name, fatal)
    return deaths


def _always(*_: Any, **__: Any) -> bool:
    return True


def _says(event: str) -> Callable[..., bool]:
    return lambda said, **_: said == event


POINTS: dict[str, tuple[Any, str, bool, Callable[..., bool]]] = {
    "before the job is started": (Rekognition, "start", False, _always),
    "after the job was started, before that is known": (Rekognition, "start", True, _always),
    "after the job is known to be started": (start.log, "info", False, _says("job started")),
    "before the job is looked at": (Rekognition, "look", False, _always),
    "after the job was seen to have ended": (Rekognition, "look", True, _always),
    "after the slot was freed": (collect, "_keep", False, _always),
    "between two pages": (Rekognition, "_page", False, lambda _, __, token: token is not None),
    "after the labels were kept, before that is known": (labels, "write", True, _always),
    "after the labels are known to be kept": (collect.log, "info", False, _says("labels kept")),
    "before the judging is asked for": (Bus, "send", False, lambda _, step, *__: step is Step.DECIDE),
    "while the verdict is recorded": (decisions, "conclude", True, _always),
    "after the verdict was recorded": (decide.log, "info", False, _says("moderation decided")),
    "after the bytes were moved, before that is known": (FolderStore, "move", True, _always),
    "after the callback was sent, before that is known": (Egress, "post", True, _always),
}


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Notice the dead soon."""
    pipeline_settings["worker"]["lease"] = 1
    return pipeline_settings


@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_any_point_costs_a_lease_and_nothing_else(
    point: str, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, after, when = POINTS[point]
    shown = {"at": 0, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 90}
    pipeline.endpoint.tell(Script.model_validate({"labels": [shown], "page_size": 1}))
    deaths = _dies(monkeypatch, owner, name, after=after, when=when)
    moderation_id = pipeline.submit()
    moderation = pipeline.decided(moderation_id, within=40)
    assert (moderation.status, moderation.attempt, moderation.label_count) == (Status.REJECTED, 1, 2)
    eventually(lambda: _is_quarantined(pipeline, moderation.asset_id))
    assert not pipeline.services.media.exists(Location(bucket="clipwarden", key="in/plain.mp4"))
    eventually(lambda: [delivery.stage for delivery in pipeline.deliveries(moderation_id)] == ["delivered"])
    told = [callback for callback in pipeline.receiver.received if callback.moderation_id == moderation_id]
    assert len({callback.headers["webhook-id"] for callback in told}) == 1
    assert {json.loads(callback.body)["moderation_status"] for callback in told} == {"rejected"}
    assert pipeline.endpoint.journal.summary()["jobs"] == 1
    assert deaths == [name], "nothing died: the point was not reached"


REUSING: dict[str, tuple[Stage, tuple[Any, str, bool, Callable[..., bool]], int]] = {
    "before a probed video's labels are taken": (Stage.INTAKE, (reuse, "take", False, _always), 0),
    "while a probed video's labels are taken": (Stage.INTAKE, (reuse, "take", True, _always), 0),
    "after a probed video's labels are known to be taken": (Stage.INTAKE, (reuse, "announce", False, _always), 0),
    # Whoever comes after the dead cannot know that no job was started, and asks with the same token.
    "while the labels are taken with a slot held": (Stage.STARTING, (reuse, "take", True, _always), 1),
    "after the slot was given back": (Stage.STARTING, (reuse, "announce", False, _always), 0),
    "while a verdict by such labels is recorded": (Stage.STARTING, (decisions, "conclude", True, _always), 0),
}


@pytest.mark.parametrize("point", REUSING)
def test_a_death_while_labels_are_reused_costs_a_lease_and_frees_the_slot(
    point: str, pipeline_settings: dict[str, dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    pipeline_settings["rekognition"]["reuse_window"] = 3600
    pipeline: Pipeline = request.getfixturevalue("pipeline")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    stage, (owner, name, after, when), attempts = REUSING[point]
    source = str(pipeline.put(pipeline.clips("plain")))
    origin = pipeline.decided(pipeline.client.enqueue(source))
    _find_only(monkeypatch, stage)
    deaths = _dies(monkeypatch, owner, name, after=after, when=when)
    moderation = pipeline.decided(pipeline.client.enqueue(source), within=40)
    assert (moderation.status, moderation.attempt) == (Status.APPROVED, attempts)
    assert moderation.labels_of == (None if attempts else origin.id)
    assert pipeline.endpoint.journal.summary()["jobs"] == 1 + attempts
    with read(pipeline.services.engine) as conn:
        assert pools.in_use(conn, REGION) == 0
    assert deaths == [name], "nothing died: the point was not reached"


def _find_only(monkeypatch: pytest.MonkeyPatch, stage: Stage) -> None:
    """Let labels be found in one stage only, as if they had not been there before."""
    find = reuse.find

    def found(services: Any, moderation: Moderation, *wanted: Any) -> Moderation | None:
        return find(services, moderation, *wanted) if moderation.stage is stage else None

    monkeypatch.setattr(reuse, "find", found)


def _is_quarantined(pipeline: Pipeline, asset_id: str) -> bool:
    with read(pipeline.services.engine) as conn:
        asset = assets.by_id(conn, asset_id)
    return asset is not None and asset.placed is Placement.QUARANTINE and asset.due_at is None
