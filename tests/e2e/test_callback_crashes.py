"""Workers die while they call receivers that fail now and then: every event arrives, none is believed that did not."""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from clipwarden import ids
from clipwarden.moderation import DeliveryStage
from clipwarden.store import accounts, deliveries, schema
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read, write
from clipwarden_local.receiver import Answer, Received, Receiver
from clipwarden_local.stack import Options, Stack
from living import children_of
from waiting import eventually

EVENTS = 1000
RECEIVERS = 3
KILLS, BETWEEN = 6, 90
FAILING = 0.2

ENVIRONMENT = {
    "CLIPWARDEN_CALLBACK__SCHEDULE": ",".join(["0.2"] * 20),
    "CLIPWARDEN_CALLBACK__ENDPOINT_CONCURRENCY": "3",
    "CLIPWARDEN_CALLBACK__ENDPOINT_RATE": "0",
    "CLIPWARDEN_CALLBACK__ENDPOINT_PAUSE": "0.1",
    "CLIPWARDEN_CALLBACK__ENDPOINT_LONGEST_PAUSE": "0.2",
}


def test_workers_killed_in_the_midst_of_callbacks_lose_none_and_believe_none_that_was_not_acknowledged(
    postgresql_url: str, tmp_path: Path
) -> None:
    environment = {**ENVIRONMENT, "CLIPWARDEN_DATABASE__URL": postgresql_url}
    options = Options(
        data=tmp_path,
        processes=2,
        analyser="scripted",
        lease=2,
        environment=tuple(environment.items()),
        log_level="error",
    )
    stack = Stack(options, report=print)
    with receivers(stack.secrets().api_secret) as called, stack, stack.engine() as engine:
        told = events(engine, [receiver.url for receiver in called])
        torment(stack, engine, called)
        eventually(lambda: tended(stack, lambda: len(delivered(engine)) == EVENTS), within=120, every=0.2)
        received = [one for receiver in called for one in receiver.received]
    assert {one.headers["webhook-id"] for one in received if one.acknowledged} == set(told)
    assert [one for one in received if not one.verified] == []
    assert {(number(one), one.headers["webhook-id"]) for one in received} == {(n, id) for id, n in told.items()}
    assert len(received) > EVENTS


@contextmanager
def receivers(secret: str) -> Iterator[list[Receiver]]:
    """Give receivers that take their time, and answer with 500 to some by chance."""
    chance = random.Random(20261123)
    with ExitStack() as running:
        found = []
        for _ in range(RECEIVERS):
            slow = Receiver(secret=secret, on_received=lambda _: time.sleep(chance.uniform(0.02, 0.08)))
            for _ in range(10 * EVENTS):
                slow.answer_next(Answer(status=500 if chance.random() < FAILING else 200))
            found.append(running.enter_context(slow))
        yield found


def events(engine: sa.Engine, urls: list[str]) -> dict[str, int]:
    """Have every event told to one of the URLs, and return the events' numbers by their deliveries' ids."""
    told = {ids.new_id(): number for number in range(EVENTS)}
    now = DatabaseClock(engine).now()
    with write(engine) as conn:
        account = accounts.by_name(conn, "default")
        assert account is not None
        for id, number in told.items():
            url, body = urls[number % len(urls)], json.dumps({"number": number})
            about: dict[str, Any] = {"event": "moderation", "sequence": 0, "url": url, "body": body}
            deliveries.add(conn, id=id, account_id=account.id, due_at=now, now=now, **about)
    return told


def torment(stack: Stack, engine: sa.Engine, called: list[Receiver]) -> None:
    """Kill workers at random moments while they call; what they believe is compared with what receivers know."""
    chance = random.Random(20261124)
    for _ in range(KILLS):
        called_again(stack, called)
        os.kill(chance.choice(eventually(lambda: workers(stack), within=60)), signal.SIGKILL)
        believed = delivered(engine)
        assert believed <= {one.headers["webhook-id"] for each in called for one in each.received if one.acknowledged}
        time.sleep(chance.uniform(0.05, 0.5))  # When the blow falls is what is varied; nothing is hoped for.
    assert len(delivered(engine)) < EVENTS, "nobody was killed in the midst of it"


def called_again(stack: Stack, called: list[Receiver]) -> None:
    before = calls(called)
    eventually(lambda: tended(stack, lambda: calls(called) > before + BETWEEN), within=60)


def calls(called: list[Receiver]) -> int:
    return sum(len(receiver.received) for receiver in called)


def delivered(engine: sa.Engine) -> set[str]:
    with read(engine) as conn:
        c = schema.deliveries.c
        return set(conn.execute(sa.select(c.id).where(c.stage == str(DeliveryStage.DELIVERED))).scalars())


def workers(stack: Stack) -> list[int]:
    parent = next(child for child in stack.supervisor.children if child.name == "workers").process
    assert parent is not None
    return sorted(children_of(parent.pid))


def tended(stack: Stack, probe: Callable[[], bool]) -> bool:
    stack.supervisor.tend()
    return probe()


def number(call: Received) -> int:
    found: int = call.payload["number"]
    return found
