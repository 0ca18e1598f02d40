"""The bus on RabbitMQ: what is enqueued is on disk, what cannot be read is put aside, and faults are our own errors."""

import json
import threading
import uuid

import pika
import pytest
from dramatiq import Actor, Message, Worker

from clipwarden import errors
from clipwarden.broker.opening import build_broker, build_counter
from fixtures.rabbitmq import RestartableRabbit
from waiting import eventually

QUEUE = "q"


def _message(number: object) -> "Message[None]":
    return Message(queue_name=QUEUE, actor_name="act", args=(number,), kwargs={}, options={})


def test_messages_survive_a_killed_node_and_unreadable_ones_are_put_aside(rabbit: RestartableRabbit) -> None:
    ran: set[int] = set()
    counter, producer = build_counter(rabbit.url), build_broker(rabbit.url)
    assert counter.messages(QUEUE) == {"unacknowledged": 0, "delayed": 0, "dead": 0}
    producer.enqueue(_message(1))
    rabbit.kill()
    with pytest.raises(errors.BusUnavailable):
        producer.enqueue(_message(2))
    with pytest.raises(errors.BusUnavailable):
        counter.messages(QUEUE)
    rabbit.start()
    assert counter.messages(QUEUE)["unacknowledged"] == 1
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as connection:
        for body in (b"nonsense", _message(3).copy(queue_name="other").encode(), _message(4).copy(kwargs=7).encode()):
            connection.channel().basic_publish(exchange="", routing_key=QUEUE, body=body)
        foreign = {"queue_name": QUEUE, "actor_name": "act", "args": [6], "kwargs": {}, "options": {}}
        body = json.dumps(foreign | {"message_id": str(uuid.uuid4()), "message_timestamp": 0}).encode()
        connection.channel().basic_publish(exchange="", routing_key=QUEUE, body=body)
    producer.enqueue(_message(5))

    consumer = build_broker(rabbit.url)
    Actor(ran.add, broker=consumer, actor_name="act", queue_name=QUEUE, priority=0, options={})
    worker = Worker(consumer, worker_threads=2, worker_timeout=20)
    worker.start()
    try:
        eventually(lambda: ran == {1, 5, 6}, message=f"ran {ran}")
        eventually(lambda: counter.messages(QUEUE) == {"unacknowledged": 0, "delayed": 0, "dead": 3})
    finally:
        worker.stop(timeout=5_000)
        consumer.close()
        producer.close()


def test_a_failed_message_is_retried_although_the_node_goes_away(rabbit: RestartableRabbit) -> None:
    runs: list[int] = []
    broker, killed = build_broker(rabbit.url), threading.Event()

    def fail_once(number: int) -> None:
        runs.append(number)
        if len(runs) == 1:
            rabbit.kill()
            killed.set()
            raise errors.TransientError("once")

    Actor(fail_once, broker=broker, actor_name="act", queue_name=QUEUE, priority=0, options={})
    broker.enqueue(_message(1))
    worker = Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    try:
        assert killed.wait(20)
        rabbit.start()
        eventually(lambda: len(runs) >= 2, message=f"ran {runs}")
    finally:
        worker.stop(timeout=5_000)
        broker.close()


@pytest.mark.parametrize("url", ["amqp://user:secret@host:port/", "amqps://user:secret@host/?heartbeat=soon"])
def test_a_url_that_cannot_be_read_is_a_wrong_setting_and_its_password_is_not_told(url: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        build_broker(url)
    assert "secret" not in str(caught.value)
