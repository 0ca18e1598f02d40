"""How many messages the bus carries from one process to another, each one confirmed as the pipeline wants it.

``python -m bench.bus URL`` prints JSON: messages per second that eight threads enqueue, and that as many then work on.
The URL names Redis, Sentinels or RabbitMQ; run it on a bus with nothing else in it, for it leaves a queue ``bench``.
"""

import argparse
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import dramatiq

from clipwarden.broker import build_broker

QUEUE, THREADS = "bench", 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.bus", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--messages", type=int, default=5000, help="default 5000")
    arguments = parser.parse_args()
    logging.disable()
    print(json.dumps(_measure(arguments.url, arguments.messages), indent=2))


def _measure(url: str, messages: int) -> dict[str, float]:
    producer = build_broker(url)
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: producer.enqueue(_message(number)), range(messages)))
    enqueued = messages / (time.perf_counter() - began)
    return {"messages": messages, "enqueued per s": round(enqueued), "worked on per s": round(_worked(url, messages))}


def _worked(url: str, messages: int) -> float:
    broker, left, ended = build_broker(url), iter(range(messages - 1)), threading.Event()

    def work(_: int) -> None:
        if next(left, None) is None:
            ended.set()

    dramatiq.Actor(work, broker=broker, actor_name="work", queue_name=QUEUE, priority=0, options={})
    worker = dramatiq.Worker(broker, worker_threads=THREADS, worker_timeout=50)
    began = time.perf_counter()
    worker.start()
    if not ended.wait(120):
        raise SystemExit("not all messages came within two minutes")
    seconds = time.perf_counter() - began
    worker.stop()
    broker.close()
    return messages / seconds


def _message(number: int) -> "dramatiq.Message[None]":
    return dramatiq.Message(queue_name=QUEUE, actor_name="work", args=(number,), kwargs={}, options={})


if __name__ == "__main__":
    main()
