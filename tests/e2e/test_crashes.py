"""Whatever dies, whenever it dies: what was accepted reaches its verdict, once, and is told."""

import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

import scripting
from clipwarden import Client
from clipwarden.media.opening import open_store
from clipwarden.moderation import Location, Moderation, Stage, Status
from clipwarden.store import moderations
from clipwarden.store.engine import read
from clipwarden_local.receiver import Receiver
from clipwarden_local.stack import Options, Stack
from fixtures.clips import Clips
from living import children_of
from waiting import eventually

T = TypeVar("T")

VIDEOS = 50
KILLS = 9

SCRIPT = {
    "seconds": 1.5,
    "page_size": 3,
    "labels": [
        {"at": 0, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 88},
        {"at": 500, "path": ["Violence", "Weapons"], "confidence": 20},
    ],
}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_workers_killed_at_any_point_and_an_emptied_redis_lose_nothing_and_pay_for_nothing_twice(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, clips: Clips
) -> None:
    environment: tuple[tuple[str, str], ...] = (
        ("CLIPWARDEN_CALLBACK__SCHEDULE", "0.5,0.5,1,1,2,2,5,5"),
        ("CLIPWARDEN_REKOGNITION__START_RATE", "1000"),
        ("CLIPWARDEN_REKOGNITION__GET_RATE", "1000"),
        ("CLIPWARDEN_REKOGNITION__REUSE_WINDOW", "0"),
    )
    if database == "postgresql":
        environment += (("CLIPWARDEN_DATABASE__URL", request.getfixturevalue("postgresql_url")),)
    options = Options(
        data=tmp_path,
        processes=3,
        analyser="scripted",
        lease=3,
        environment=environment,
        endpoint=("--start-rate", "0", "--get-rate", "0"),
        log_level="error",
    )
    stack = Stack(options, report=print)
    with Receiver(secret=stack.secrets().api_secret) as receiver, stack:
        scripting.order(stack.endpoint_url, script=SCRIPT)
        ids = _enqueue(stack, clips("plain"), receiver.url)
        # Only what has a row is promised: a message that Redis forgot is its producer's to send again.
        eventually(lambda: len(_all(stack)) == VIDEOS, within=60)
        _torment(stack)
        eventually(lambda: _tended(stack, lambda: _ended(stack, receiver)), within=120)
        after = _all(stack)
        journal = scripting.journal(stack.endpoint_url)
    assert {moderation.id for moderation in after} == set(ids)
    assert Counter(moderation.status for moderation in after) == {Status.REJECTED: VIDEOS}
    _check_jobs(journal, after)
    _check_callbacks(receiver, ids)


def _check_jobs(journal: dict[str, Any], after: list[Moderation]) -> None:
    starts = [call for call in journal["calls"] if call["job_id"] and call["token"]]
    jobs_of_token: dict[str, set[str]] = {}
    for call in starts:
        jobs_of_token.setdefault(call["token"], set()).add(call["job_id"])
    assert all(len(jobs) == 1 for jobs in jobs_of_token.values()), "one attempt started two jobs"
    assert journal["jobs"] == sum(moderation.attempt for moderation in after) == VIDEOS
    assert journal["most_open_jobs"] <= 20


def _check_callbacks(receiver: Receiver, ids: list[str]) -> None:
    told: dict[str, set[str]] = {}
    for callback in receiver.received:
        assert callback.verified
        told.setdefault(json.loads(callback.body)["moderation_id"], set()).add(callback.headers["webhook-id"])
    assert set(told) == set(ids)
    assert all(len(delivery_ids) == 1 for delivery_ids in told.values()), "a repeated callback changed its id"


def _enqueue(stack: Stack, clip: Path, url: str) -> list[str]:
    media = open_store(stack.settings().media)
    ids = []
    with Client(stack.redis_url) as client:
        for number in range(VIDEOS):
            target = Location(bucket=stack.settings().media.bucket, key=f"in/{number}.mp4")
            with clip.open("rb") as stream:
                media.put(target, stream)
            ids.append(client.enqueue(str(target), notification_url=url, public_id=f"video-{number}"))
    return ids


def _torment(stack: Stack) -> None:
    """Kill workers at random moments, and Redis with all it holds in the middle."""
    chance = random.Random(20261122)
    for turn in range(KILLS):
        if turn == KILLS // 2:
            _empty_redis(stack)
        victims = eventually(lambda: _tended(stack, lambda: _workers(stack)), within=60)
        os.kill(chance.choice(victims), signal.SIGKILL)
        time.sleep(chance.uniform(0.05, 0.8))  # When the blow falls is what is varied; nothing is hoped for.


def _empty_redis(stack: Stack) -> None:
    redis = next(child for child in stack.supervisor.children if child.name == "redis")
    assert redis.process is not None
    redis.process.kill()
    redis.process.wait()
    shutil.rmtree(stack.options.data / "redis")
    (stack.options.data / "redis").mkdir()


def _workers(stack: Stack) -> list[int]:
    parent = next(child for child in stack.supervisor.children if child.name == "workers").process
    assert parent is not None
    return sorted(children_of(parent.pid))


def _tended(stack: Stack, probe: Callable[[], T]) -> T:
    stack.supervisor.tend()
    return probe()


def _all(stack: Stack) -> list[Moderation]:
    with stack.engine() as engine, read(engine) as conn:
        return list(moderations.page(conn, limit=2 * VIDEOS).items)


def _ended(stack: Stack, receiver: Receiver) -> bool:
    told = {json.loads(callback.body)["moderation_id"] for callback in receiver.received}
    return all(moderation.stage is Stage.DECIDED and moderation.id in told for moderation in _all(stack))
