"""Reading a queue: nothing is deleted before it is handled, whatever is away meanwhile."""

import itertools
import threading
from collections import Counter as Counting
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from prometheus_client import CollectorRegistry, Counter

from clipwarden import errors
from clipwarden_local.ports import free_port
from clipwarden_workers import sqs
from fixtures.aws import REGION, Aws, Queue
from waiting import eventually


@pytest.fixture
def outcomes() -> Counter:
    return Counter("outcomes", "Of a test.", ["outcome"], registry=CollectorRegistry())


@pytest.fixture
def queue(aws: Aws) -> Queue:
    return aws.queue("messages")


Read = Callable[[Callable[[str], None]], sqs.Reader]


@pytest.fixture
def read(aws: Aws, queue: Queue, outcomes: Counter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Read]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    numbers = itertools.count()
    with ExitStack() as running:

        def start(handle: Callable[[str], None]) -> sqs.Reader:
            client = sqs.connect(queue.url, endpoint_url=aws.url, session=boto3.session.Session(region_name=REGION))
            reader = sqs.Reader(f"messages {next(numbers)}", client, queue.url, handle, outcomes)
            running.callback(reader.stop)
            reader.start()
            return reader

        yield start


def test_a_message_waits_for_what_is_away_and_is_deleted_once_it_is_handled(
    aws: Aws, queue: Queue, read: Read, outcomes: Counter
) -> None:
    away, handled = [errors.StoreUnavailable("down"), errors.ConfigurationError("no such account")], []

    def handle(body: str) -> None:
        if away:
            raise away.pop()
        handled.append(body)

    aws.send(queue, "a")
    read(handle)
    eventually(lambda: aws.left(queue.url) == 0)
    assert set(handled) == {"a"}
    assert outcomes.labels("store_unavailable")._value.get() == 1
    assert aws.left(queue.dead) == 0


def test_a_message_that_waits_is_not_given_up_however_many_readers_there_are(
    aws: Aws, queue: Queue, read: Read
) -> None:
    back, tries, handled = threading.Event(), Counting[tuple[str, str]](), []

    def handle(body: str) -> None:
        tries[threading.current_thread().name, body] += 1
        if not back.is_set():
            raise errors.StoreUnavailable("down")
        handled.append(body)

    for body in ("a", "b"):
        aws.send(queue, body)
    for _ in range(5):  # More than the times that the queue shows a message.
        read(handle)
    # By then, its visibility timeout has passed more often than that.
    eventually(lambda: max(tries.values(), default=0) >= 4)
    assert aws.left(queue.dead) == 0
    back.set()
    eventually(lambda: aws.left(queue.url) == 0)
    assert set(handled) == {"a", "b"}
    assert aws.left(queue.dead) == 0


def test_a_message_that_cannot_be_kept_hidden_is_still_handled_once_what_it_needs_is_back(
    aws: Aws, queue: Queue, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, handled = [errors.StoreUnavailable("down")], []

    def handle(body: str) -> None:
        if away:
            raise away.pop()
        handled.append(body)

    def denied(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "ChangeMessageVisibilityBatch")

    reader = read(handle)
    monkeypatch.setattr(reader._client, "change_message_visibility_batch", denied)
    aws.send(queue, "a")
    eventually(lambda: aws.left(queue.url) == 0)
    assert set(handled) == {"a"}


def test_a_message_on_which_the_code_breaks_ends_in_the_dead_letter_queue_and_others_are_handled(
    aws: Aws, queue: Queue, read: Read, outcomes: Counter
) -> None:
    handled = []

    def handle(body: str) -> None:
        if body == "bad":
            raise ZeroDivisionError
        handled.append(body)

    for body in ("bad", "good"):
        aws.send(queue, body)
    read(handle)
    eventually(lambda: aws.left(queue.dead) == 1)
    assert handled == ["good"]
    assert outcomes.labels("bug")._value.get() == 3


def test_a_reader_that_breaks_outside_of_a_message_goes_on(
    aws: Aws, queue: Queue, read: Read, outcomes: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled: list[str] = []
    forget, broken = sqs.Reader._forget, [ZeroDivisionError(), KeyError("Messages")]

    def forgets(reader: sqs.Reader, messages: list[Any]) -> None:
        if broken:
            raise broken.pop()
        forget(reader, messages)

    monkeypatch.setattr(sqs.Reader, "_forget", forgets)
    aws.send(queue, "a")
    reader = read(handled.append)
    eventually(lambda: aws.left(queue.url) == 0)
    assert set(handled) == {"a"}
    assert outcomes.labels("bug")._value.get() == 2
    assert reader.is_alive()


def test_stopping_waits_for_the_message_that_is_being_handled(aws: Aws, queue: Queue, read: Read) -> None:
    begun, go_on, handled = threading.Event(), threading.Event(), []

    def handle(body: str) -> None:
        begun.set()
        go_on.wait(10)
        handled.append(body)

    aws.send(queue, "a")
    reader = read(handle)
    assert begun.wait(20)
    stopping = threading.Thread(target=reader.stop)
    stopping.start()
    go_on.set()
    stopping.join(10)
    assert handled == ["a"]
    assert aws.left(queue.url) == 0


def test_a_reader_waits_for_a_queue_that_is_away_and_can_be_stopped_meanwhile(
    queue: Queue, outcomes: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    nowhere = sqs.connect(
        queue.url, endpoint_url=f"http://127.0.0.1:{free_port()}", session=boto3.session.Session(region_name=REGION)
    )
    waits: list[int] = []
    reader = sqs.Reader("messages", nowhere, queue.url, lambda _: None, outcomes)
    monkeypatch.setattr(reader, "_pause", lambda faults, _: waits.append(faults))
    reader.start()
    eventually(lambda: waits[:3] == [1, 2, 3])
    reader.stop()
    reader.join(10)
    assert not reader.is_alive()


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/done", "eu-west-1"),
        ("http://localhost:4566/000000000000/done", "us-east-1"),
    ],
)
def test_the_region_of_a_queue_is_read_from_its_url(url: str, region: str) -> None:
    client = sqs.connect(url, endpoint_url=None, session=boto3.session.Session(region_name="us-east-1"))
    assert client.meta.region_name == region
    client.close()
