"""How fast callbacks go out, on PostgreSQL: to one endpoint, to many, and to many of which some never answer.

``python -m bench.callbacks`` puts deliveries into the database, then starts one worker process and reads from the rows
when each arrived. Beside it, bare threads post the same bodies, signed, with the same HTTP client and no database; and
with the library below that client alone, which is the floor.
"""

import argparse
import ipaddress
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpcore
import sqlalchemy as sa

from bench import postgres, processes, report, site
from clipwarden import callback, ids, webhooks
from clipwarden.egress import Egress
from clipwarden.moderation import Account, DeliveryStage
from clipwarden.settings import CallbackSettings
from clipwarden.store import accounts, endpoint_states, schema
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read, write
from clipwarden_local.ports import free_port
from clipwarden_local.stack import Options, Stack

_BODY = json.dumps({"notification_type": "moderation", "filling": "x" * 2000})
_MANY, _HANGING = 100, 10
_PATIENCE = 300.0
_d = schema.deliveries.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One start of a worker with deliveries that wait for it."""

    per_s: float  #: Of those that arrived at endpoints which answer.
    p99: float  #: Seconds from the first attempt of all to an arrival.


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.callbacks", description=__doc__)
    parser.add_argument("--callbacks", type=int, default=5000, help="of each run; default %(default)s")
    parser.add_argument("--waiting", type=int, default=100_000, help="rows for the memory; default %(default)s")
    arguments = parser.parse_args()
    with postgres.running() as server, answering() as port:
        found = measure(arguments.callbacks, arguments.waiting, port, lambda: postgres.database(server))
    report.keep("callbacks", {"on": report.machine(), "callbacks": arguments.callbacks, **found})
    report.publish({"callbacks": report.pairs_table(found | {"load of the last minute": round(os.getloadavg()[0], 1)})})
    print(report.pairs_table(found))


def measure(count: int, waiting: int, port: int, new_database: Callable[[], str]) -> dict[str, Any]:
    """Return rates per second, times in seconds, and memory in megabytes."""
    one = run(new_database(), urls_of(port, 1), count)
    many = run(new_database(), urls_of(port, _MANY), count)
    some = run(new_database(), urls_of(port, _MANY, hanging=_HANGING), count)
    bare, plain = _bare(urls_of(port, 1)[0], count), _plain(urls_of(port, 1)[0], count)
    return {
        "callbacks per s to 1 endpoint": one.per_s,
        "callbacks per s to 100 endpoints": many.per_s,
        "to the 90 that answer": _share(many.per_s),
        "to the 90 while 10 hang": some.per_s,
        "share of that before": round(some.per_s / _share(many.per_s), 2),
        "p99 s to 100 endpoints": many.p99,
        "p99 s to the 90 while 10 hang": some.p99,
        "p99 of that before": round(some.p99 / many.p99, 2),
        "bare posts per s to 1 endpoint": bare,
        "callbacks to bare posts": round(one.per_s / bare, 3),
        "posts of httpcore alone per s to 1 endpoint": plain,
        "callbacks to those": round(one.per_s / plain, 3),
        **_memory(new_database(), urls_of(port, 1)[0], waiting),
    }


def _share(per_s: float) -> float:
    return round(per_s * (_MANY - _HANGING) / _MANY, 1)


def urls_of(port: int, count: int, hanging: int = 0) -> list[str]:
    """Return URLs of as many origins; the first of them hang."""
    return [f"http://127.0.1.{number + 1}:{port}/{'hang' if number < hanging else ''}" for number in range(count)]


@contextmanager
def answering() -> Iterator[int]:
    """Give the port of a receiver for the time of the block."""
    port = free_port()
    child = subprocess.Popen([sys.executable, "-m", "bench.answering", str(port)])
    try:
        if not site.until(lambda: _listens(port), within=20):
            raise SystemExit("the receiver does not start")
        yield port
    finally:
        child.terminate()
        child.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _stack(database_url: str) -> Iterator[tuple[Stack, sa.Engine]]:
    """Give a stack without workers; its endpoints may be called as fast as they answer."""
    environment = {
        "CLIPWARDEN_DATABASE__URL": database_url,
        "CLIPWARDEN_CALLBACK__ALLOW_NETWORKS": "127.0.0.0/8",
        "CLIPWARDEN_CALLBACK__ENDPOINT_RATE": "0",
    }
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder:
        options = Options(
            data=Path(folder),
            analyser="scripted",
            log_level="error",
            processes=0,
            environment=tuple(environment.items()),
        )
        with Stack(options, report=lambda _: None) as stack, stack.engine() as engine:
            yield stack, engine


def run(database_url: str, urls: list[str], count: int) -> Run:
    """Have one worker tell so many events to the URLs, in turns."""
    with _stack(database_url) as (stack, engine):
        _queue(engine, urls, count)
        site.workers(stack, 1, queues="notify")
        answered = sum(not urls[number % len(urls)].endswith("/hang") for number in range(count))
        if not site.until(lambda: _delivered(engine) >= answered, within=_PATIENCE, every=0.5):
            raise SystemExit(f"{_delivered(engine)} of {answered} callbacks arrived")
        with read(engine) as conn:
            first = conn.execute(sa.select(sa.func.min(schema.delivery_attempts.c.created_at))).scalar_one()
            rows = conn.execute(sa.select(_d.delivered_at).where(_d.delivered_at.is_not(None))).scalars()
            after = sorted((at - first).total_seconds() for at in rows)
    return Run(per_s=round(len(after) / after[-1], 1), p99=round(after[int(0.99 * (len(after) - 1))], 2))


def _queue(engine: sa.Engine, urls: list[str], count: int, *, later: timedelta = timedelta(0)) -> None:
    now = DatabaseClock(engine).now()
    due_at = now + later
    with write(engine) as conn:
        account = _account(conn, now)
        states = [endpoint_states.expect(conn, account.id, url, due_at=due_at, now=now).id for url in urls]
        fixed: dict[str, Any] = {
            "account_id": account.id,
            "event": "moderation",
            "body": _BODY,
            "stage": str(DeliveryStage.WAITING),
        }
        fixed |= {"due_at": due_at, "fence": 0, "attempt": 0, "created_at": now, "updated_at": now}
        for begin in range(0, count, 5000):
            numbers = range(begin, min(begin + 5000, count))
            rows = [_row(number, urls, states) | fixed for number in numbers]
            conn.execute(sa.insert(schema.deliveries), rows)


def _row(number: int, urls: list[str], states: list[str]) -> dict[str, Any]:
    which = number % len(urls)
    return {"id": ids.new_id(), "url": urls[which], "endpoint_state_id": states[which], "sequence": number}


def _account(conn: sa.Connection, now: datetime) -> Account:
    return accounts.ensure(conn, name="bench", api_key="bench", api_secret="secret", now=now)


def _delivered(engine: sa.Engine) -> int:
    with read(engine) as conn:
        count: int = conn.execute(
            sa.select(sa.func.count()).where(_d.stage == str(DeliveryStage.DELIVERED))
        ).scalar_one()
        return count


def _bare(url: str, count: int) -> float:
    """Post with clipwarden's own client, which signs and looks where it calls, and without a database."""
    key, now = webhooks.new_secret(), datetime.now().astimezone()
    account = Account(id="", name="bench", api_key="bench", api_secret="secret", created_at=now)
    with closing(Egress((ipaddress.ip_network("127.0.0.0/8"),), connect_timeout=5, total_timeout=15)) as egress:

        def post() -> None:
            headers = callback.headers(_BODY, ids.new_id(), account, [key], now)
            egress.post(url, headers=headers, body=_BODY.encode())

        return _posted(post, count)


def _plain(url: str, count: int) -> float:
    """Post with httpcore alone: the floor."""
    with httpcore.ConnectionPool(max_connections=CallbackSettings().endpoint_concurrency) as pool:
        headers, body = [("content-type", "application/json")], _BODY.encode()
        return _posted(lambda: pool.request("POST", url, headers=headers, content=body), count)


def _posted(post: Callable[[], object], count: int) -> float:
    """Return posts per second, by as many threads as one endpoint is granted."""
    threads = CallbackSettings().endpoint_concurrency

    def work() -> None:
        for _ in range(count // threads):
            post()

    began = time.monotonic()
    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return round(count // threads * threads / (time.monotonic() - began), 1)


def _memory(database_url: str, url: str, waiting: int) -> dict[str, float]:
    """Return what a worker process and Redis use while nothing, and then much, waits."""
    with _stack(database_url) as (stack, engine):
        site.workers(stack, 1, queues="notify")
        time.sleep(5)
        empty = _worker_mb()
        _queue(engine, [url], waiting, later=timedelta(hours=1))
        with write(engine) as conn:
            conn.execute(sa.update(schema.endpoint_states).values(due_at=DatabaseClock(engine).now()))
        time.sleep(10)
        return {
            "rows that wait": waiting,
            "worker mb with none waiting": empty,
            "worker mb with all waiting": _worker_mb(),
            "redis mb with all waiting": site.redis_mb(stack),
        }


def _worker_mb() -> float:
    """Return the memory of the process that works for this one."""
    return max(map(_resident, processes.below("worker", "--child")), default=0)


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


if __name__ == "__main__":
    main()
