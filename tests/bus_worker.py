"""A worker process for the chaos run: three stages, the second delayed, each failing now and then.

``python bus_worker.py REDIS_URL FILE``: appends a line ``NUMBER STAGE`` to the file for each stage that is done.
"""

import os
import random
import sys
import threading
from pathlib import Path

import dramatiq
import dramatiq.worker
from dramatiq import Message, Worker

from clipwarden.broker.hardened import HardenedBroker
from clipwarden.broker.redis_client import connect
from clipwarden.broker.retries import SafeRetries

STAGES = 3
#: Share of the runs that fail.
FLAKY = 0.1


def message(number: int, stage: int = 0) -> "Message[None]":
    """Return the message that starts a stage of a job."""
    return Message(queue_name="chaos", actor_name="work", args=(number, stage), kwargs={}, options={})


def build(url: str) -> HardenedBroker:
    """Build the broker, with the patience of a test."""
    return HardenedBroker(
        connect(url, reply_timeout=1),
        middleware=[SafeRetries()],
        heartbeat_timeout=2,
        beat_interval=0.2,
        patience=2,
    )


def main(url: str, path: str) -> None:
    """Work until killed."""
    dramatiq.worker.CONSUMER_RESTART_DELAY_SECS = 0.2
    dramatiq.worker.POST_PROCESS_MESSAGE_RETRY_DELAY_SECS = 0.2  # type: ignore[assignment] # seconds all the same
    broker = build(url)
    descriptor = os.open(Path(path), os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def work(number: int, stage: int) -> None:
        if random.random() < FLAKY:
            raise dramatiq.errors.Retry
        if stage + 1 < STAGES:
            broker.enqueue(message(number, stage + 1), delay=300 if stage == 0 else None)
        os.write(descriptor, f"{number} {stage}\n".encode())

    # The stages of a real pipeline have rows behind them; here the bus alone must see each job to its end.
    dramatiq.Actor(
        work, broker=broker, actor_name="work", queue_name="chaos", priority=0, options={"max_retries": None}
    )
    Worker(broker, worker_threads=4).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
