"""Producers: the client and the documented commands reach a worker; the page's examples are run as they stand."""

import re
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import Worker
from sqlalchemy import Engine

from clipwarden import errors, message
from clipwarden.broker import build_broker
from clipwarden.client import Client
from clipwarden.message import IntakeMessage
from fixtures.redis import RestartableRedis
from waiting import eventually

PAGE = Path(__file__).parents[2] / "docs/reference/messages.md"


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def received(redis_url: str) -> Iterator[list[IntakeMessage]]:
    """Run a worker whose intake keeps what it reads."""
    messages: list[IntakeMessage] = []
    broker = build_broker(redis_url, hop_timeout_ms=20)

    def intake(message: dict[str, Any]) -> None:
        messages.append(read(message))

    dramatiq.Actor(intake, broker=broker, actor_name="intake", queue_name="intake", priority=0, options={})
    worker = Worker(broker, worker_threads=1)
    worker.start()
    yield messages
    worker.stop()
    broker.close()


read: Callable[[object], IntakeMessage] = message.read


def test_what_a_client_enqueues_is_what_a_worker_reads(redis_url: str, received: list[IntakeMessage]) -> None:
    with Client(redis_url) as client:
        id_ = client.enqueue(
            "s3://bucket/key.mp4",
            moderation="aws_rek_video:violence:0.9",
            notification_url="https://a/1 https://b/2",
            public_id="films/one",
            idempotency_key="order 1",
            priority=-5,
        )
    eventually(lambda: received)
    assert received == [
        IntakeMessage(
            id=id_,
            source="s3://bucket/key.mp4",
            moderation="aws_rek_video:violence:0.9",
            notification_url="https://a/1 https://b/2",
            public_id="films/one",
            idempotency_key="order 1",
            priority=-5,
        )
    ]


def test_the_documented_commands_of_another_language_reach_a_worker(
    redis_url: str, received: list[IntakeMessage]
) -> None:
    with redis.Redis.from_url(redis_url, single_connection_client=True) as producer:
        for line in example("redis").splitlines():
            producer.execute_command(*shlex.split(line))
        eventually(lambda: received)
        assert received[0].source == "s3://uploads/holiday.mp4"
        eventually(lambda: producer.hlen("{clipwarden}:intake.msgs") == 0)


def test_the_documented_python_example_reaches_a_worker(redis_url: str, received: list[IntakeMessage]) -> None:
    names: dict[str, Any] = {}
    exec(example("python").replace("redis://127.0.0.1:6379/0", redis_url), names)
    eventually(lambda: received)
    assert received[0].id == names["moderation_id"]


def test_the_page_names_every_field_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (?:text|number) \| .*? \| (.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE))
    assert set(rows) == set(IntakeMessage.model_fields)
    for name, field in IntakeMessage.model_fields.items():
        if field.is_required():
            assert rows[name] == "required"
        elif field.default is not None:
            assert rows[name] == f"`{field.default}`"


def test_one_client_serves_many_threads(redis_url: str, received: list[IntakeMessage]) -> None:
    with Client(redis_url) as client, ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda number: client.enqueue(f"s3://bucket/{number}"), range(200)))
    eventually(lambda: len(received) == 200)
    assert {one.id for one in received} == set(ids)


def test_a_client_survives_a_restart_of_redis(restartable_redis: RestartableRedis) -> None:
    with Client(restartable_redis.url) as client:
        client.enqueue("s3://bucket/one")
        with restartable_redis.away(), pytest.raises(errors.BusUnavailable):
            client.enqueue("s3://bucket/two")
        client.enqueue("s3://bucket/three")
        restartable_redis.restart()
        client.enqueue("s3://bucket/four")
    with restartable_redis.client() as observer:
        assert observer.llen("{clipwarden}:intake") == observer.hlen("{clipwarden}:intake.msgs") == 3


def test_clients_of_different_namespaces_do_not_meet(redis_url: str, received: list[IntakeMessage]) -> None:
    with Client(redis_url, namespace="{elsewhere}") as other, Client(redis_url) as client:
        other.enqueue("s3://bucket/elsewhere")
        client.enqueue("s3://bucket/here")
    eventually(lambda: received)
    assert [one.source for one in received] == ["s3://bucket/here"]


@pytest.mark.parametrize("id_", ["0193a5b2-7c1e-7d3f-8a4b-5c6d7e8f9a0b", "no id at all"])
def test_a_moderation_that_is_not_there_is_not_found(redis_url: str, engine: Engine, id_: str) -> None:
    url = engine.url.render_as_string(hide_password=False)
    with Client(redis_url, database_url=url) as client, pytest.raises(errors.NotFound):
        client.get(id_)
