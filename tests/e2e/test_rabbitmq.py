"""The whole pipeline on RabbitMQ, without Redis: nothing is lost though workers and the node are killed."""

import os
import signal
from pathlib import Path

from clipwarden import Client
from clipwarden.media.opening import open_store
from clipwarden.moderation import Location, Moderation, Status
from clipwarden.store import moderations
from clipwarden.store.engine import read
from clipwarden_local.receiver import Receiver
from clipwarden_local.stack import Options, Stack
from fixtures.clips import Clips
from fixtures.rabbitmq import PASSWORD, RestartableRabbit
from living import children_of
from overheard import RUN
from waiting import eventually

VIDEOS = 12


def test_killed_workers_and_a_node_that_lost_its_disk_lose_nothing(
    rabbit: RestartableRabbit, tmp_path: Path, clips: Clips
) -> None:
    environment = (
        ("CLIPWARDEN_BUS__URL", rabbit.url),
        ("CLIPWARDEN_REDIS__URL", ""),
        ("CLIPWARDEN_CALLBACK__SCHEDULE", "0.5,0.5,1,1,2,2,5,5"),
        ("CLIPWARDEN_REKOGNITION__REUSE_WINDOW", "0"),
    )
    RUN.note("password of RabbitMQ", PASSWORD)
    options = Options(
        data=tmp_path / "data",
        processes=2,
        analyser="scripted",
        lease=3,
        environment=environment,
        log_level="error",
    )
    stack = Stack(options, report=print)
    with Receiver(secret=stack.secrets().api_secret) as receiver, stack:
        ids = _enqueue(stack, rabbit.url, clips("plain"), receiver.url)
        # Only what has a row is promised: a message that the bus forgot is its producer's to send again.
        eventually(lambda: len(_all(stack)) == VIDEOS, within=60)
        os.kill(_workers(stack)[0], signal.SIGKILL)
        rabbit.restart_empty()
        os.kill(_workers(stack)[-1], signal.SIGKILL)
        eventually(lambda: _tended(stack) and {m.status for m in _all(stack)} == {Status.APPROVED}, within=120)
        told = [receiver.wait_for(one, within=60) for one in ids]
    assert all(callback is not None and callback.verified for callback in told)
    assert {moderation.id for moderation in _all(stack)} == set(ids)


def _enqueue(stack: Stack, url: str, clip: Path, receiver: str) -> list[str]:
    media, bucket, ids = open_store(stack.settings().media), stack.settings().media.bucket, []
    with Client(url) as client:
        for number in range(VIDEOS):
            target = Location(bucket=bucket, key=f"in/{number}.mp4")
            with clip.open("rb") as stream:
                media.put(target, stream)
            ids.append(client.enqueue(str(target), notification_url=receiver))
    return ids


def _workers(stack: Stack) -> list[int]:
    def found() -> list[int]:
        parent = next(child for child in stack.supervisor.children if child.name == "workers").process
        return sorted(children_of(parent.pid)) if _tended(stack) and parent is not None else []

    return eventually(found, within=60)


def _tended(stack: Stack) -> bool:
    stack.supervisor.tend()
    return True


def _all(stack: Stack) -> list[Moderation]:
    with stack.engine() as engine, read(engine) as conn:
        return list(moderations.page(conn, limit=2 * VIDEOS).items)
