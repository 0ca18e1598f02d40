"""A pool learns how many slots others leave to it, spaces its Start calls, and learns how long jobs take."""

import random
from datetime import timedelta

from sqlalchemy import Connection, Engine

from clipwarden.moderation import Stage
from clipwarden.store import leases, pools, schema
from clipwarden.store.engine import write
from records import START, at, moderation

POOL = "pool"


def _pool(conn: Connection) -> pools.Pool:
    pool = pools.by_name(conn, POOL)
    assert pool is not None
    return pool


def _admit(conn: Connection, second: float, *, gap: float = 0.0) -> int:
    now = START + timedelta(seconds=second)
    return len(pools.admit(conn, POOL, now=now, until=now + timedelta(seconds=30), gap=timedelta(seconds=gap)))


def _queue(conn: Connection, count: int) -> None:
    for _ in range(count):
        moderation(conn, stage=Stage.QUEUED, due_at=START)


def _run(conn: Connection, count: int) -> None:
    for _ in range(count):
        row = moderation(conn, stage=Stage.ANALYSING)
        leases.amend(conn, schema.moderations, row.id, fence=row.fence, now=START, pool=POOL)


def test_a_refusal_lowers_the_limit_to_the_open_jobs_and_one_more_is_tried_for_after_the_wait(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 5, START)
        _run(conn, 3)
        _queue(conn, 4)
        pools.lower(conn, POOL, now=START, wait=30)
        assert (_pool(conn).limit, _pool(conn).probe_at) == (3, at(30))
        assert _admit(conn, 29) == 0
        assert _admit(conn, 30) == 1
        assert _pool(conn).limit == 4


def test_tries_that_fail_become_rare_and_tries_that_succeed_frequent(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 5, START)
        _run(conn, 1)
        waits = []
        for _ in range(5):
            pools.lower(conn, POOL, now=START, wait=10)
            waits.append(_pool(conn).probe_wait)
        assert waits == [10, 40, 160, 640, pools.LONGEST_PROBE_WAIT]
        _queue(conn, 4)
        assert _admit(conn, 900) == 1
        assert _pool(conn).probe_wait == 450
        assert _admit(conn, 900 + 450) == 1
        assert _pool(conn).probe_wait == 225


def test_a_limit_that_is_not_reached_is_not_raised(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 5, START)
        _run(conn, 3)
        pools.lower(conn, POOL, now=START, wait=1)
        assert _admit(conn, 100) == 0
        assert _pool(conn).limit == 4
        assert _admit(conn, 1000) == 0
        assert _pool(conn).limit == 4


def test_a_worker_that_starts_keeps_what_was_learned_unless_the_slots_were_changed(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 5, START)
        _run(conn, 2)
        pools.lower(conn, POOL, now=START, wait=30)
        pools.ensure(conn, POOL, 5, at(1))
        assert _pool(conn).limit == 2
        pools.ensure(conn, POOL, 8, at(2))
        assert _pool(conn).limit == 8


def test_start_calls_are_a_gap_apart_over_several_admissions(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 9, START)
        _queue(conn, 2)
        gap = timedelta(seconds=0.2)
        until = at(30)
        first = pools.admit(conn, POOL, now=START + gap, until=until, gap=gap)
        _queue(conn, 2)
        second = pools.admit(conn, POOL, now=START + gap, until=until, gap=gap)
    assert [row.due_at for row in first] == [until, START + 2 * gap]
    assert [row.due_at for row in second] == [START + 3 * gap, START + 4 * gap]


def test_after_a_pause_a_start_call_may_be_made_at_once(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 9, START)
        _queue(conn, 1)
        assert _admit(conn, 1, gap=5) == 1
        _queue(conn, 1)
        now = START + timedelta(seconds=60)
        (later,) = pools.admit(conn, POOL, now=now, until=at(90), gap=timedelta(seconds=5))
    assert later.due_at == at(90)


def test_the_first_look_is_learned_so_that_few_jobs_end_before_it(engine: Engine) -> None:
    chance = random.Random(5)
    with write(engine) as conn:
        pools.ensure(conn, POOL, 1, START)
        assert _pool(conn).job_ratio is None
        pools.learn(conn, POOL, ratio=0.9, early=False)
        assert _pool(conn).job_ratio == 0.9
        early = []
        for _ in range(600):
            took = chance.uniform(0.2, 0.6)
            early.append(took < (_pool(conn).job_ratio or 0))
            pools.learn(conn, POOL, ratio=took, early=early[-1])
    assert 0.08 < sum(early[200:]) / 400 < 0.22
