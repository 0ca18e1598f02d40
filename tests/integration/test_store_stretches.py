"""Stretches of an endpoint's deliveries: taken whole, given back in their place, and never more than it is granted."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from clipwarden import ids
from clipwarden.moderation import Delivery, DeliveryStage
from clipwarden.store import deliveries, endpoint_states, leases, replays, schema, stretches
from clipwarden.store.endpoint_states import Limits
from clipwarden.store.engine import write
from records import LIMITS, START, account, at

URL = "https://a.example/hook"


def waiting(conn: Connection, count: int, *, since: float = 0, **state: Any) -> list[str]:
    """Let deliveries wait, each a second longer than the next, and return their ids."""
    owner, made = account(conn), [ids.new_id() for _ in range(count)]
    for number, id in enumerate(made):
        moment = at(since + number)
        about: dict[str, Any] = {"account_id": owner.id, "event": "e", "sequence": number, "url": URL, "body": "{}"}
        deliveries.add(conn, id=id, due_at=moment, now=moment, **about)
    if state:
        conn.execute(sa.update(schema.endpoint_states).values(**state))
    return made


def look(conn: Connection, seconds: float, *, each: int, limits: Limits = LIMITS) -> list[leases.Due]:
    found: list[leases.Due] = []
    for state in endpoint_states.due(conn, now=at(seconds), limit=10):
        found += endpoint_states.hand_out(conn, state, limits, now=at(seconds), until=at(seconds + 60), each=each)
    return found


def take(conn: Connection, first: leases.Due, until: float = 900) -> list[Delivery]:
    return stretches.take(conn, first.id, fence=first.fence, until=at(until))


def staged(conn: Connection, stage: DeliveryStage) -> list[str]:
    found, _ = replays.page(conn, replays.Search(stage=stage), limit=100)
    return [one.id for one in sorted(found, key=lambda one: (one.due_at or START, one.id))]


def test_a_stretch_is_taken_whole_and_once(engine: Engine) -> None:
    with write(engine) as conn:
        made = waiting(conn, 6)
        (first,) = look(conn, 10, each=4)
        taken = take(conn, first)
        assert [one.id for one in taken] == made[:4]
        assert {(one.stage, one.due_at, one.fence) for one in taken} == {(DeliveryStage.SENDING, at(900), 1)}
        assert take(conn, first) == []
        assert stretches.held(conn, taken) == set(made[:4])
        assert staged(conn, DeliveryStage.WAITING) == made[4:]


def test_an_endpoint_is_granted_stretches_not_deliveries_and_few_are_spread(engine: Engine) -> None:
    with write(engine) as conn:
        made = waiting(conn, 14, width=3)
        handed = look(conn, 20, each=4)
        assert [one.id for one in handed] == made[:3]
        assert [[one.id for one in take(conn, first)] for first in handed] == [made[n:12:3] for n in range(3)]
        conn.execute(sa.update(schema.endpoint_states).values(due_at=at(20)))
        assert look(conn, 21, each=4) == []
        conn.execute(sa.update(schema.endpoint_states).values(due_at=at(20), width=4))
        assert [len(take(conn, first)) for first in look(conn, 22, each=4)] == [2]


def test_the_rate_counts_deliveries_and_a_probe_is_a_single_one(engine: Engine) -> None:
    with write(engine) as conn:
        waiting(conn, 20)
        (first,) = look(conn, 30, each=16, limits=replace(LIMITS, rate=5))
        assert len(take(conn, first)) == 5
    with write(engine) as conn:
        conn.execute(sa.update(schema.deliveries).values(stage="delivered", due_at=None))
        waiting(conn, 20, since=100, trips=1)
        (probe,) = look(conn, 200, each=16)
        assert len(take(conn, probe)) == 1


def test_what_was_not_attempted_waits_again_in_its_place(engine: Engine) -> None:
    with write(engine) as conn:
        made = waiting(conn, 6)
        (first,) = look(conn, 10, each=4)
        taken = take(conn, first)
        done = {"stage": "delivered", "due_at": None, "attempt": 1, "last_status": 200, "delivered_at": at(11)}
        stretches.end(conn, {taken[0].id: done}, now=at(11))
        stretches.give_back(conn, [one.id for one in taken[1:]])
        assert staged(conn, DeliveryStage.DELIVERED) == made[:1]
        assert staged(conn, DeliveryStage.WAITING) == made[1:]
        assert stretches.held(conn, taken) == set()
        again = [deliveries.by_id(conn, id) for id in made[1:]]
        assert {one.attempt for one in again if one is not None} == {0}


@pytest.mark.parametrize("was_taken", [True, False])
def test_what_nobody_reports_of_waits_again_and_its_endpoint_is_looked_at_at_once(
    engine: Engine, *, was_taken: bool
) -> None:
    with write(engine) as conn:
        made = waiting(conn, 6)
        (first,) = look(conn, 10, each=4)
        taken = take(conn, first, until=70) if was_taken else []
        assert stretches.recall(conn, now=at(69), limit=10) == 0
        assert stretches.recall(conn, now=at(71), limit=3) == 3
        assert stretches.recall(conn, now=at(71), limit=3) == 1
        assert stretches.held(conn, taken) == set()
        assert take(conn, first) == [], "a message from before finds nothing"
        assert staged(conn, DeliveryStage.WAITING) == made
        (again,) = look(conn, 71, each=4)
        assert [one.id for one in take(conn, again)] == made[:4]


def test_what_nobody_reports_of_has_failed_where_its_endpoint_is_disabled(engine: Engine) -> None:
    with write(engine) as conn:
        made = waiting(conn, 2)
        look(conn, 10, each=4)
        conn.execute(sa.update(schema.endpoint_states).values(disabled_at=at(20), disabled_reason="failing"))
        assert stretches.recall(conn, now=at(71), limit=10) == 2
        assert sorted(staged(conn, DeliveryStage.FAILED)) == sorted(made)
