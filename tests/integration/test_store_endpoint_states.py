"""What endpoints may be asked at once, and how one that fails is paused and found to be well again."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.engine import Connection, Engine

from clipwarden import ids
from clipwarden.moderation import DeliveryStage, EndpointState
from clipwarden.store import deliveries, endpoint_states, leases, schema
from clipwarden.store.endpoint_states import Limits
from clipwarden.store.engine import read, write
from records import LIMITS, START, account, at

URL = "https://a.example/hook"


def waiting(conn: Connection, count: int, url: str = URL, seconds: float = 0) -> None:
    owner = account(conn)
    for number in range(count):
        deliveries.add(
            conn,
            id=ids.new_id(),
            account_id=owner.id,
            event="e",
            sequence=number,
            url=url,
            body="{}",
            due_at=at(seconds),
            now=START,
        )


def state_of(conn: Connection, url: str = URL) -> EndpointState:
    (found,) = [
        s for s in endpoint_states.of_account(conn, account(conn).id) if s.origin == endpoint_states.origin(url)
    ]
    return endpoint_states.locked(conn, found.id)


def look(conn: Connection, seconds: float, limits: Limits = LIMITS) -> list[leases.Due]:
    """Hand out as a dispatcher does."""
    found: list[leases.Due] = []
    for state in endpoint_states.due(conn, now=at(seconds), limit=10):
        found += endpoint_states.hand_out(conn, state, limits, now=at(seconds), until=at(seconds + 60))
    return found


def end(conn: Connection, due: leases.Due, seconds: float, *, well: bool, limits: Limits = LIMITS) -> list[leases.Due]:
    """Report of an attempt as a worker does, and return what was handed out next."""
    state = state_of(conn)
    stage, again = (DeliveryStage.DELIVERED, None) if well else (DeliveryStage.WAITING, at(seconds + 1))
    taken = leases.take(conn, schema.deliveries, due.id, fence=due.fence, until=at(seconds + 60))
    assert taken is not None
    leases.advance(conn, schema.deliveries, due.id, fence=due.fence + 1, now=at(seconds), stage=stage, due_at=again)
    if well:
        state = endpoint_states.succeeded(conn, state, limits, now=at(seconds))
    else:
        state = endpoint_states.failed(conn, state, limits, unable=True, wait=timedelta(0), now=at(seconds))
    return endpoint_states.hand_out(conn, state, limits, now=at(seconds), until=at(seconds + 60))


def test_a_new_endpoint_gets_one_attempt_and_with_each_success_room_for_one_more(engine: Engine) -> None:
    with write(engine) as conn:
        waiting(conn, 20)
        running = look(conn, 1)
        assert len(running) == 1
        for expected in (2, 3, 4, 4, 4):
            running += end(conn, running.pop(0), 2, well=True)
            assert len(running) == expected
        assert look(conn, 3) == []


def test_one_endpoints_backlog_is_not_waded_through_for_anothers(engine: Engine) -> None:
    with write(engine) as conn:
        waiting(conn, 50)
        waiting(conn, 1, url="https://b.example/", seconds=1)
        assert len(look(conn, 2)) == 2


def test_urls_of_one_origin_share_what_is_known(engine: Engine) -> None:
    with write(engine) as conn:
        waiting(conn, 1, url="https://a.example/hook?job=1")
        waiting(conn, 1, url="https://A.example:443/other")
        assert [state.origin for state in endpoint_states.of_account(conn, account(conn).id)] == [
            "https://a.example:443"
        ]


def test_failures_in_a_row_pause_all_of_it_by_one_row_and_a_single_probe_ends_the_pause(engine: Engine) -> None:
    with write(engine) as conn:
        waiting(conn, 10)
        running = look(conn, 1)
        for second in (2, 3):
            running = end(conn, running[0], second, well=False)
            assert len(running) == 1
        assert end(conn, running[0], 4, well=False) == []
        assert (state_of(conn).trips, state_of(conn).due_at) == (1, at(14))
        assert look(conn, 13) == []
        (probe,) = look(conn, 14)
        assert look(conn, 14.5) == []
        assert end(conn, probe, 15, well=False) == []
        assert state_of(conn).paused_until == at(35)
        (probe,) = look(conn, 36)
        assert end(conn, probe, 37, well=False) == []
        assert state_of(conn).paused_until == at(37 + 25), "no pause is longer than the longest"
        (probe,) = look(conn, 63)
        assert len(end(conn, probe, 64, well=True)) == 2
        assert (state_of(conn).trips, state_of(conn).failures) == (0, 0)
        (still,) = endpoint_states.of_account(conn, account(conn).id)
        assert still.failing_since is None


def test_what_comes_in_while_an_endpoint_is_paused_waits_for_the_end_of_the_pause(engine: Engine) -> None:
    with write(engine) as conn:
        waiting(conn, 1)
        state = endpoint_states.failed(conn, state_of(conn), LIMITS, unable=True, wait=timedelta(seconds=40), now=at(1))
        assert endpoint_states.hand_out(conn, state, LIMITS, now=at(1), until=at(60)) == []
        waiting(conn, 1, seconds=2)
        assert state_of(conn).due_at == at(41)
        assert len(look(conn, 41)) == 1


def test_the_rate_holds_over_all_looks(engine: Engine) -> None:
    slow = replace(LIMITS, rate=2.0, concurrency=100)
    with write(engine) as conn:
        waiting(conn, 30)
        state = state_of(conn)
        conn.execute(schema.endpoint_states.update().where(schema.endpoint_states.c.id == state.id).values(width=100))
        handed = {second: len(look(conn, second, slow)) for second in (1, 1.1, 1.6, 2.1, 3.1, 8.1)}
    assert handed == {1: 2, 1.1: 0, 1.6: 1, 2.1: 1, 3.1: 2, 8.1: 2}


def test_only_an_endpoint_that_never_succeeds_for_days_is_disabled_and_its_callbacks_stay_on_record(
    engine: Engine,
) -> None:
    days = 86400.0
    with write(engine) as conn:
        waiting(conn, 1)
        state = state_of(conn)
        for day in (0, 1, 2):
            state = endpoint_states.failed(conn, state, LIMITS, unable=False, wait=timedelta(0), now=at(day * days))
        state = endpoint_states.succeeded(conn, state, LIMITS, now=at(3 * days))
        for day in (4, 5, 9):
            state = endpoint_states.failed(conn, state, LIMITS, unable=False, wait=timedelta(0), now=at(day * days))
            assert state.disabled_at is None
        state = endpoint_states.failed(conn, state, LIMITS, unable=False, wait=timedelta(0), now=at(9.1 * days))
        assert (state.disabled_at, state.disabled_reason) == (at(9.1 * days), "failing")
        assert deliveries.give_up(conn, state.id, url=None, reason="disabled", now=at(9.1 * days)) == 1
        waiting(conn, 1, seconds=10 * days)
        assert look(conn, 11 * days) == []
        assert {(one.stage, one.count) for one in deliveries.counts(conn)} == {(DeliveryStage.FAILED, 2)}


def test_looks_at_the_same_time_hand_out_each_delivery_once_and_never_too_many(engine: Engine) -> None:
    with write(engine) as conn:
        waiting(conn, 12)
        conn.execute(schema.endpoint_states.update().values(width=4))
    handed: list[leases.Due] = []
    barrier = threading.Barrier(6)

    def run() -> None:
        barrier.wait()
        for _ in range(5):
            with write(engine) as conn:
                handed.extend(look(conn, 1))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(handed) == len({due.id for due in handed}) == 4
    with read(engine) as conn:
        assert {one.stage: one.count for one in deliveries.counts(conn)} == {
            DeliveryStage.SENDING: 4,
            DeliveryStage.WAITING: 8,
        }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/", "http://a:80"),
        ("https://A.b./x?y#z", "https://a.b:443"),
        ("http://[::1]:8/", "http://::1:8"),
        ("ftp://a/", "unreadable"),
        ("http://a:99999/", "unreadable"),
        ("", "unreadable"),
    ],
)
def test_the_origin_is_scheme_host_and_port(url: str, expected: str) -> None:
    assert endpoint_states.origin(url) == expected
