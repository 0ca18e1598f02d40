"""A pool learns how many slots others leave to it, spaces its Start calls, and learns how long jobs take."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from clipwarden.job_times import JobTimes
from clipwarden.moderation import Stage
from clipwarden.settings import RekognitionSettings, Settings
from clipwarden.store import paces, pools, schema
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import write
from clipwarden_workers import pools as worker_pools
from records import START, account, asset, at, moderation

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
        moderation(conn, stage=Stage.QUEUED, due_at=START, pool=POOL)


def _run(conn: Connection, count: int) -> None:
    for _ in range(count):
        moderation(conn, stage=Stage.ANALYSING, pool=POOL)


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
        waits: list[float] = []
        for _ in range(5):
            pools.lower(conn, POOL, now=at(sum(waits)), wait=10)
            waits.append(_pool(conn).probe_wait)
        assert waits == [10, 40, 160, 640, pools.LONGEST_PROBE_WAIT]
        _queue(conn, 4)
        assert _admit(conn, sum(waits)) == 1
        assert _pool(conn).probe_wait == 450
        assert _admit(conn, sum(waits) + 450) == 1
        assert _pool(conn).probe_wait == 225


def test_calls_that_were_refused_at_once_are_one_refusal(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 8, START)
        _run(conn, 2)
        for second in (0, 0, 0.1, 0.2, 5):
            pools.lower(conn, POOL, now=at(second), wait=10)
        assert (_pool(conn).limit, _pool(conn).probe_wait, _pool(conn).probe_at) == (2, 10, at(10))
        _queue(conn, 1)
        assert _admit(conn, 10) == 1
        pools.lower(conn, POOL, now=at(10.1), wait=10)
        assert (_pool(conn).limit, _pool(conn).probe_wait) == (2, 20)


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


def test_how_long_jobs_take_is_learned_and_kept(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 1, START)
        assert _pool(conn).job_times is None
        pools.learn(conn, POOL, after=0.2, until=0.4, length=100)
        known = JobTimes.first(0.2, 0.4, length=100)
        assert _pool(conn).job_times == known
        pools.learn(conn, POOL, after=0.5, until=0.6, length=60)
        assert _pool(conn).job_times == known.learned(0.5, 0.6, length=60)


def test_a_refusal_of_calls_halves_their_pace_once_a_burst_and_leaves_the_other_kind_alone(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 5, START)
        for second in (0, 0.3, 0.9):
            paces.slow_down(conn, POOL, paces.Call.START, now=at(second))
        assert _pool(conn).pace(paces.Call.START, at(1)) == pytest.approx(0.5, abs=0.01)
        paces.slow_down(conn, POOL, paces.Call.START, now=at(1))
        assert _pool(conn).pace(paces.Call.START, at(1)) == pytest.approx(0.25, abs=0.01)
        assert _pool(conn).pace(paces.Call.GET, at(1)) == 1


def test_a_pace_never_falls_to_nothing(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 5, START)
        for second in range(20):
            paces.slow_down(conn, POOL, paces.Call.GET, now=at(second))
        assert _pool(conn).pace(paces.Call.GET, at(20)) >= paces.SLOWEST


def test_slowed_start_calls_are_farther_apart(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 5, START)
        _queue(conn, 3)
        paces.slow_down(conn, POOL, paces.Call.START, now=at(1))
        pools.admit(conn, POOL, now=at(1), until=at(31), gap=timedelta(seconds=1))
        assert _pool(conn).next_start_at == at(7)


def test_the_pool_with_the_fewest_jobs_and_waiting_for_each_slot_is_free_first(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 2, START)
        pools.ensure(conn, "large", 10, START)
        assert pools.soonest(conn, ["large", POOL]) == "large"
        for _ in range(3):
            moderation(conn, stage=Stage.ANALYSING, pool="large")
        assert pools.soonest(conn, ["large", POOL]) == POOL
        moderation(conn, stage=Stage.QUEUED, pool=POOL)
        assert pools.soonest(conn, ["large", POOL]) == "large"


def test_what_a_free_slot_would_start_is_counted_and_not_what_waits_for_something_else(engine: Engine) -> None:
    with write(engine) as conn:
        for name in (POOL, "other"):
            pools.ensure(conn, name, 2, START)
        assert pools.startable(conn, POOL) == 0
        capped, free = (account(conn, name) for name in ("capped", "free"))
        conn.execute(sa.update(schema.accounts).where(schema.accounts.c.id == capped.id).values(max_in_flight=1))
        for owner in (capped, free):
            for _ in range(2):
                moderation(conn, asset(conn, owner), pool=POOL)
            moderation(conn, asset(conn, owner), pool="other")
        assert pools.startable(conn, POOL) == 4
        moderation(conn, asset(conn, capped), stage=Stage.ANALYSING, pool=POOL)
        assert pools.startable(conn, POOL) == 2
        assert pools.startable(conn, "other") == 2
        assert pools.waiting(conn, POOL) == 4


def test_a_pool_that_nobody_has_filled_yet_is_free(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 2, START)
        moderation(conn, stage=Stage.ANALYSING, pool=POOL)
        assert pools.soonest(conn, [POOL, "young"]) == "young"


def test_a_pool_of_unknown_size_keeps_the_slots_it_had_and_at_first_has_those_that_aws_grants(engine: Engine) -> None:
    [pool] = worker_pools.build(Settings(rekognition=RekognitionSettings(region="eu-west-1", reserve=3))).values()
    with write(engine) as conn:
        clock = DatabaseClock(engine)
        worker_pools.register(conn, [(pool, None)], clock)
        assert [known.slots for known in pools.every(conn)] == [17]
        worker_pools.register(conn, [(pool, 45)], clock)
        worker_pools.register(conn, [(pool, None)], clock)
        assert [known.slots for known in pools.every(conn)] == [45]
