"""Whoever tells, attempts, recalls and replays callbacks of the same endpoints at once: nobody waits for each other."""

import contextlib
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from clipwarden import errors, telling
from clipwarden.moderation import Account, Moderation, Stage, Status
from clipwarden.settings import CallbackSettings
from clipwarden.store import attempts, endpoint_states, endpoints, remains, replays, retrying, schema, stretches
from clipwarden.store.engine import read, write
from clipwarden.store.leases import Due
from clipwarden_workers import reporting, tasks
from clipwarden_workers.outcome import Outcome
from clipwarden_workers.reporting import Attempted
from clipwarden_workers.tasks import Task
from records import account, asset, at, moderation
from waiting import eventually

URLS = [f"https://{name}.example/hook" for name in "hcfa"]
SETTINGS = CallbackSettings(schedule=(100.0,), jitter=0)
CHANGES, THREADS = 30, 6

#: Elsewhere, whoever may write is alone.
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def _tell(engine: Engine, owner: Account, chance: random.Random) -> None:
    with write(engine) as conn:
        named = chance.sample(URLS, 3)
        telling.tell(conn, owner, {"moderation": "{}", "moderation_summary": "{}"}, named=named, now=at(0))


def _attempt(engine: Engine, owner: Account, chance: random.Random) -> None:
    """Attempt what is to be, and write down how it went: endpoints take it, fail, or want no more."""
    del owner
    with write(engine) as conn:
        firsts = [
            first
            for state in endpoint_states.due(conn, now=at(50), limit=2)
            for first in endpoint_states.hand_out(conn, state, tasks.limits(SETTINGS), now=at(50), until=at(90), each=4)
        ]
    for first in firsts:
        with write(engine) as conn:
            taken = tasks.take(conn, first.id, fence=first.fence, now=at(50), until=at(90))
        if taken:
            _report(engine, [_attempted(task, chance.choice([200, 410, 500])) for task in taken[:2]], taken[2:])


def _report(engine: Engine, done: list[Attempted], rest: list[Task]) -> None:
    with write(engine) as conn:
        reporting.report(conn, done, rest, SETTINGS, now=at(60), until=at(120), each=2)


def _attempted(task: Task, status: int) -> Attempted:
    error = None if status == 200 else f"the receiver answered {status}"
    sent: dict[str, Any] = {"request_headers": {}, "begun": at(51), "seconds": 2.0}
    return Attempted(task=task, outcome=Outcome(**sent, status=status, headers={}, body=b"", error=error))


def _recall(engine: Engine, owner: Account, chance: random.Random) -> None:
    del owner, chance
    with write(engine) as conn:
        stretches.recall(conn, now=at(91), limit=100)


def _replay(engine: Engine, owner: Account, chance: random.Random) -> None:
    del chance
    with write(engine) as conn:
        replays.replay_all(conn, replays.Search(account_id=owner.id), limit=100, as_of=at(100), now=at(101))


def _enable(engine: Engine, owner: Account, chance: random.Random) -> None:
    """Let an endpoint be called again, which then has failed for long."""
    url, since = chance.choice(URLS), at(0) - timedelta(days=6)
    with write(engine) as conn:
        endpoint_states.enable(conn, owner.id, url, now=at(70))
        endpoints.enable(conn, owner.id, url, now=at(70))
    state = schema.endpoint_states
    with write(engine) as conn:
        here = (state.c.account_id == owner.id, state.c.origin == endpoint_states.origin(url))
        conn.execute(sa.update(state).where(*here).values(failing_since=since, failures=9))


def _sweep(engine: Engine, owner: Account, chance: random.Random) -> None:
    del owner, chance
    with write(engine) as conn:
        attempts.sweep(conn, before=at(53), limit=5)


EVERYTHING: list[Callable[[Engine, Account, random.Random], None]] = [
    *(_tell, _tell, _attempt, _attempt, _recall, _replay, _enable, _sweep),
]


@pytest.mark.parametrize("seed", range(2))
def test_changes_of_endpoints_at_the_same_time_never_wait_for_each_other(engine: Engine, seed: int) -> None:
    with write(engine) as conn:
        owner = account(conn)
        for url in URLS:
            endpoints.create(conn, account_id=owner.id, url=url, event_type="all", now=at(0))
    begin = threading.Barrier(THREADS)

    def change(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        begin.wait(10)
        for _ in range(CHANGES):
            # Of a deadlock, one ends as StoreUnavailable.
            with contextlib.suppress(errors.Conflict):
                chance.choice(EVERYTHING)(engine, owner, chance)

    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(change, number) for number in range(THREADS)]:
            done.result(120)
    _nothing_is_lost(engine)


@on_postgresql
def test_a_moderation_that_somebody_holds_keeps_nobody_from_its_callbacks(engine: Engine) -> None:
    """A row that is written twice in one transaction has its references checked again, which locks what it names."""
    with write(engine) as conn:
        case, owner = _told(conn)
    with write(engine) as human, write(engine) as worker:
        assert retrying.held(human, case.id, account_id=owner.id) is not None
        worker.execute(sa.text("SET LOCAL lock_timeout = '2s'"))
        for first in _handed_out(worker):
            assert tasks.take(worker, first.id, fence=first.fence, now=at(1), until=at(90))


@on_postgresql
def test_an_erasure_and_whoever_hands_out_its_callbacks_do_not_wait_for_each_other(engine: Engine) -> None:
    with write(engine) as conn:
        case, _ = _told(conn)

    def erase() -> None:
        with write(engine) as conn:
            remains.lock(conn, case.asset_id)

    with ThreadPoolExecutor(1) as threads:
        with write(engine) as worker:
            firsts = _handed_out(worker)
            erasing = threads.submit(erase)
            eventually(lambda: _waits(engine), within=10)
            for first in firsts:
                assert tasks.take(worker, first.id, fence=first.fence, now=at(1), until=at(90))
        erasing.result(10)


@on_postgresql
def test_an_endpoint_that_is_being_made_keeps_nobody_from_the_account_s_callbacks(engine: Engine) -> None:
    with write(engine) as conn:
        owner = account(conn)
    with write(engine) as human, write(engine) as worker:
        endpoints.create(human, account_id=owner.id, url=URLS[0], event_type="all", now=at(0))
        worker.execute(sa.text("SET LOCAL lock_timeout = '2s'"))
        telling.to(worker, owner, "moderation", "{}", urls=URLS[1:], now=at(0))


def _told(conn: Connection) -> tuple[Moderation, Account]:
    """Give a case that endpoints are to be told of."""
    owner = account(conn)
    case = moderation(conn, asset(conn, owner), stage=Stage.DECIDED, status=Status.REJECTED)
    about: dict[str, Any] = {"moderation_id": case.id, "sequence": 1, "asset_id": case.asset_id}
    telling.to(conn, owner, "moderation", "{}", urls=URLS, now=at(0), **about)
    return case, owner


def _handed_out(conn: Connection) -> list[Due]:
    limits = tasks.limits(SETTINGS)
    found = [
        first
        for state in endpoint_states.due(conn, now=at(1), limit=10)
        for first in endpoint_states.hand_out(conn, state, limits, now=at(1), until=at(90), each=4)
    ]
    assert found
    return found


def _waits(engine: Engine) -> bool:
    """Say whether a transaction of this database waits for another."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with read(engine) as conn:
        return bool(conn.execute(sa.text(waiting)).scalar_one())


def _nothing_is_lost(engine: Engine) -> None:
    """Of a delivery that somebody is to attempt, it is known when somebody looks at its endpoint again."""
    with write(engine) as conn:
        stretches.recall(conn, now=at(200), limit=10_000)
        d, e = schema.deliveries.c, schema.endpoint_states.c
        waits = sa.select(d.endpoint_state_id).where(d.stage == "waiting", d.due_at.is_not(None)).distinct()
        forgotten = sa.select(e.origin).where(e.id.in_(waits), e.due_at.is_(None), e.disabled_at.is_(None))
        assert conn.execute(forgotten).scalars().all() == []
