"""How long the bus is away when the master of a Redis behind a Sentinel is killed.

``python -m bench.failover`` prints JSON: seconds from the kill until the new master has taken a message, and until that
was worked on, by a producer and a worker that had both used the old one. All of it runs on loopback, and its Sentinel
counts a master as gone after half a second: what yours waits beyond that is to be added.
"""

import json
import logging
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import dramatiq

from clipwarden import errors
from clipwarden.broker import build_broker
from fixtures import sentinel

RUNS = 3
_QUEUE = "bench"


def main() -> None:
    """Measure and print."""
    logging.disable()
    runs = [_measure() for _ in range(RUNS)]
    accepted, worked_on = ([round(run[part], 1) for run in runs] for part in (0, 1))
    found = {
        "accepted after s": accepted,
        "worked on after s": worked_on,
        "median s": statistics.median(worked_on),
        "cpus": os.cpu_count(),
        "load of the last minute": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(found, indent=2))


def _measure() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder, sentinel.watching(Path(folder)) as watched:
        producer, broker = build_broker(watched.url), build_broker(watched.url)
        first, second = threading.Event(), threading.Event()

        def work(number: int) -> None:
            (second if number else first).set()

        dramatiq.Actor(work, broker=broker, actor_name="work", queue_name=_QUEUE, priority=0, options={})
        worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=50)
        worker.start()
        _enqueue(producer, 0)
        _await(first)
        began = time.perf_counter()
        watched.master.kill()
        _enqueue(producer, 1)
        accepted = time.perf_counter() - began
        _await(second)
        worked_on = time.perf_counter() - began
        worker.stop()
        broker.close()
        producer.close()
    return accepted, worked_on


def _enqueue(producer: dramatiq.Broker, number: int) -> None:
    """Try until somebody takes it."""
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=_QUEUE, actor_name="work", args=(number,), kwargs={}, options={}
    )
    while True:
        try:
            producer.enqueue(message)
        except (errors.BusUnavailable, dramatiq.errors.BrokerConnectionError):
            time.sleep(0.01)
        else:
            return


def _await(event: threading.Event) -> None:
    if not event.wait(120):
        raise SystemExit("the message was not worked on within two minutes")


if __name__ == "__main__":
    main()
