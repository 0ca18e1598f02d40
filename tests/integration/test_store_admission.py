import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.engine import Connection, Engine

from clipwarden import errors
from clipwarden.moderation import Moderation, Stage
from clipwarden.store import accounts, leases, moderations, pools, schema
from clipwarden.store.engine import read, write
from records import START, account, asset, at, moderation

POOL = "us-east-1"


def admit(conn: Connection, pool: str = POOL) -> list[Moderation]:
    return pools.admit(conn, pool, now=at(100), until=at(130))


def queued(conn: Connection, name: str, count: int = 1, *, priority: int = 0, age: float = 0) -> list[str]:
    """Queue moderations of an account, one millisecond after the other."""
    video = asset(conn, account(conn, name))
    return [moderation(conn, video, priority=priority, now=at(n / 1000 - age), pool=POOL).id for n in range(count)]


def test_what_is_admitted_holds_a_slot_a_lease_and_the_token_of_its_attempt(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 1, START)
        [id] = queued(conn, "a")
        leases.amend(conn, schema.moderations, id, fence=0, now=START, looks=4, faults=2, attempt=6)
        [admitted] = admit(conn)
    assert (admitted.id, admitted.stage, admitted.pool, admitted.attempt) == (id, Stage.STARTING, POOL, 7)
    assert (admitted.fence, admitted.due_at, admitted.updated_at) == (1, at(130), at(100))
    assert (admitted.looks, admitted.faults) == (0, 0)
    assert admitted.request_token == f"cw-{id}-7"
    with read(engine) as conn:
        assert moderations.by_id(conn, id) == admitted
        assert pools.in_use(conn, POOL) == 1


def test_no_more_are_admitted_than_slots_are_free(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 3, START)
        queued(conn, "a", 5)
        assert [len(admit(conn)), len(admit(conn))] == [3, 0]
        assert pools.in_use(conn, POOL) == 3


def test_a_running_job_holds_its_slot_and_an_ended_one_frees_it(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 1, START)
        queued(conn, "a", 2)
        [first] = admit(conn)
        leases.advance(conn, schema.moderations, first.id, fence=1, now=at(101), stage=Stage.ANALYSING)
        assert admit(conn) == []
        leases.advance(conn, schema.moderations, first.id, fence=2, now=at(102), stage=Stage.COLLECTING)
        assert len(admit(conn)) == 1


def test_fewer_slots_than_jobs_admit_nothing_until_enough_have_ended(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 3, START)
        queued(conn, "a", 5)
        admit(conn)
        pools.ensure(conn, POOL, 1, at(1))
        assert admit(conn) == []
        assert pools.every(conn) == [pools.Pool(name=POOL, slots=1, limit=1)]


def test_threads_that_admit_at_once_never_exceed_the_slots(engine: Engine) -> None:
    slots, gate = 5, threading.Barrier(8)
    with write(engine) as conn:
        pools.ensure(conn, POOL, slots, START)
        for name in "abc":
            queued(conn, name, 10)

    def work() -> list[str]:
        gate.wait()
        started = []
        for _ in range(6):
            with write(engine) as conn:
                admitted = admit(conn)
                assert pools.in_use(conn, POOL) <= slots
            for row in admitted[:2]:
                with write(engine) as conn:
                    leases.advance(
                        conn, schema.moderations, row.id, fence=row.fence, now=at(101), stage=Stage.COLLECTING
                    )
            started += [row.id for row in admitted]
        return started

    with ThreadPoolExecutor(8) as threads:
        started = [id for done in [threads.submit(work) for _ in range(8)] for id in done.result()]
    assert len(started) == len(set(started))
    assert len(started) > slots


def test_a_slot_goes_to_the_account_with_the_fewest_in_flight(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 4, START)
        queued(conn, "busy", 50, age=3600, priority=9)
        assert len(admit(conn)) == 4
        queued(conn, "late", 5)
        pools.ensure(conn, POOL, 8, START)
        owner = account(conn, "late").id
        assert [row.account_id for row in admit(conn)] == [owner] * 4


def test_free_slots_are_dealt_in_turn_as_each_pick_counts_at_once(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 7, START)
        names = {account(conn, name).id: name for name in "abc"}
        for age, (name, count) in enumerate([("a", 50), ("b", 2), ("c", 50)]):
            queued(conn, name, count, age=1000 * age)
        admitted = [names[row.account_id] for row in admit(conn)]
    assert admitted == ["c", "b", "a", "c", "b", "a", "c"]
    assert Counter(admitted) == {"a": 2, "b": 2, "c": 3}


def test_more_accounts_than_slots_are_served_by_the_head_of_their_queue(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 2, START)
        heads = {name: queued(conn, name, 3, age=n)[0] for n, name in enumerate("abcdef")}
        [urgent] = queued(conn, "b", priority=1)
        assert [row.id for row in admit(conn)] == [urgent, heads["f"]]


def test_within_an_account_priority_goes_before_age(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 4, START)
        old, young = queued(conn, "a", 2)
        [urgent] = queued(conn, "a", priority=5)
        [idle] = queued(conn, "a", priority=-5, age=500)
        assert [row.id for row in admit(conn)] == [urgent, old, young, idle]


def test_what_is_not_due_yet_or_of_another_pool_waits(engine: Engine) -> None:
    with write(engine) as conn:
        for pool in (POOL, "eu-west-1"):
            pools.ensure(conn, pool, 3, START)
        video = asset(conn)
        moderation(conn, video, due_at=at(101))
        elsewhere = moderation(conn, video)
        leases.amend(conn, schema.moderations, elsewhere.id, fence=0, now=START, pool="eu-west-1")
        again = moderation(conn, video)
        leases.amend(conn, schema.moderations, again.id, fence=0, now=START, pool=POOL)
        assert [row.id for row in admit(conn)] == [again.id]
        assert [row.id for row in admit(conn, "eu-west-1")] == [elsewhere.id]


def test_a_pool_counts_only_its_own_slots(engine: Engine) -> None:
    with write(engine) as conn:
        for pool in (POOL, "eu-west-1"):
            pools.ensure(conn, pool, 1, START)
        queued(conn, "a", 3)
        moderation(conn, asset(conn), pool="eu-west-1")
        assert [len(admit(conn)), len(admit(conn, "eu-west-1")), len(admit(conn))] == [1, 1, 0]


def test_one_call_admits_no_more_than_one_statement_can_hold_and_the_next_goes_on(engine: Engine) -> None:
    many = pools.BATCH + 20
    with write(engine) as conn:
        pools.ensure(conn, POOL, many, START)
        for n in range(many + 5):
            queued(conn, f"account-{n}")
        assert [len(admit(conn)) for _ in range(3)] == [pools.BATCH, 20, 0]


def test_an_empty_queue_admits_nothing(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 1, START)
        assert admit(conn) == []


def test_a_pool_that_does_not_exist_is_not_found(engine: Engine) -> None:
    with pytest.raises(errors.NotFound, match="nowhere"), write(engine) as conn:
        admit(conn, "nowhere")


def test_an_account_of_twice_the_weight_holds_twice_the_slots(engine: Engine) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 9, START)
        queued(conn, "a", 20)
        queued(conn, "b", 20)
        accounts.share(conn, account(conn, "b").id, weight=2, max_in_flight=None)
        held = Counter(row.account_id for row in admit(conn))
    assert sorted(held.values()) == [3, 6]
    assert held[_id(engine, "b")] == 6


@pytest.mark.parametrize("cap", [0, 2, 20])
def test_an_account_never_holds_more_slots_than_its_cap_and_others_take_the_rest(engine: Engine, cap: int) -> None:
    with write(engine) as conn:
        pools.ensure(conn, POOL, 6, START)
        queued(conn, "a", 20)
        accounts.share(conn, account(conn, "a").id, weight=1, max_in_flight=cap)
        assert len(admit(conn)) == min(cap, 6)
        assert admit(conn) == []
        queued(conn, "b", 20)
        assert len(admit(conn)) == 6 - min(cap, 6)


@pytest.mark.parametrize(("weight", "cap"), [(0, None), (-1, None), (float("nan"), None), (1, -1)])
def test_a_share_that_makes_no_sense_is_refused(engine: Engine, weight: float, cap: int | None) -> None:
    with write(engine) as conn, pytest.raises(errors.Conflict):
        accounts.share(conn, account(conn).id, weight=weight, max_in_flight=cap)


def _id(engine: Engine, name: str) -> str:
    with read(engine) as conn:
        found = accounts.by_name(conn, name)
    assert found is not None
    return found.id
