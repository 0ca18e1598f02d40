"""What is written down of a stretch: all that happened, and nothing of what somebody else has taken over."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from clipwarden import ids
from clipwarden.moderation import DeliveryStage
from clipwarden.settings import CallbackSettings
from clipwarden.store import attempts, deliveries, endpoint_states, endpoints, schema, stretches
from clipwarden.store.engine import write
from clipwarden_workers import reporting, tasks
from clipwarden_workers.outcome import Outcome
from clipwarden_workers.reporting import Attempted
from clipwarden_workers.tasks import Task
from records import account, at

URL, OTHER = "https://a.example/hook", "https://b.example/hook"
SETTINGS = CallbackSettings(schedule=(100.0,), jitter=0)


def taken(conn: Connection, count: int, **state: Any) -> list[Task]:
    """Let deliveries wait, and take as many as one stretch has."""
    owner = account(conn)
    for number in range(count):
        about: dict[str, Any] = {"account_id": owner.id, "event": "e", "sequence": number, "url": URL, "body": "{}"}
        deliveries.add(conn, id=ids.new_id(), due_at=at(number), now=at(number), **about)
    if state:
        conn.execute(sa.update(schema.endpoint_states).values(**state))
    (endpoint,) = endpoint_states.due(conn, now=at(50), limit=10)
    limits = tasks.limits(SETTINGS)
    (first,) = endpoint_states.hand_out(conn, endpoint, limits, now=at(50), until=at(90), each=4)
    return tasks.take(conn, first.id, fence=first.fence, now=at(50), until=at(90))


def attempted(task: Task, status: int = 200) -> Attempted:
    error = None if status == 200 else f"the receiver answered {status}"
    sent: dict[str, Any] = {"request_headers": {"webhook-id": task.delivery.id}, "begun": at(51), "seconds": 2.0}
    return Attempted(task=task, outcome=Outcome(**sent, status=status, headers={}, body=b"", error=error))


def report(conn: Connection, done: list[Attempted], rest: list[Task], seconds: float = 60) -> reporting.Report:
    moments = {"now": at(seconds), "until": at(seconds + 60)}
    return reporting.report(conn, done, rest, SETTINGS, **moments, each=2)


def seen(conn: Connection, stretch: list[Task]) -> list[tuple[DeliveryStage, int, Any]]:
    found = [deliveries.by_id(conn, task.delivery.id) for task in stretch]
    return [(one.stage, one.attempt, one.due_at) for one in found if one is not None]


def test_each_delivery_of_a_stretch_is_where_its_attempt_left_it_and_the_next_are_handed_out(engine: Engine) -> None:
    with write(engine) as conn:
        stretch = taken(conn, 6)
        found = report(conn, [attempted(stretch[0]), attempted(stretch[1], 404)], stretch[2:])
        assert [stage for _, stage in found.stages] == [DeliveryStage.DELIVERED, DeliveryStage.WAITING]
        assert seen(conn, stretch[:2]) == [
            (DeliveryStage.DELIVERED, 1, None),
            (DeliveryStage.WAITING, 1, at(160)),
        ]
        log = [attempts.of_delivery(conn, task.delivery.id) for task in stretch]
        assert [[one.status for one in of] for of in log] == [[200], [404], [], []]
        delivered = deliveries.by_id(conn, stretch[0].delivery.id)
        assert delivered is not None
        assert delivered.delivered_at == at(53), "when it arrived, not when that was written down"
        again = tasks.take(conn, found.handed_out[0].id, fence=found.handed_out[0].fence, now=at(60), until=at(120))
        assert again[0].delivery.id == stretch[2].delivery.id
        assert len(found.handed_out) == 2, "an endpoint that takes callbacks has room for more"


def test_of_what_was_taken_over_nothing_is_changed(engine: Engine) -> None:
    with write(engine) as conn:
        stretch = taken(conn, 4)
        assert stretches.recall(conn, now=at(91), limit=10) == 4
        found = report(conn, [attempted(stretch[0])], stretch[1:], seconds=92)
        assert (list(found.stages), found.fenced) == ([], 1)
        assert attempts.of_delivery(conn, stretch[0].delivery.id) == []
        assert {attempt for _, attempt, _ in seen(conn, stretch)} == {0}


def test_days_of_nothing_but_failures_end_all_that_waits_and_another_endpoint_is_told(engine: Engine) -> None:
    with write(engine) as conn:
        endpoints.create(conn, account_id=account(conn).id, url=OTHER, event_type="endpoint_disabled", now=at(0))
        stretch = taken(conn, 6, failures=9, failing_since=at(0) - timedelta(days=5, seconds=1))
        found = report(conn, [attempted(stretch[0], 500)], stretch[1:])
        assert found.disabled == "failing"
        counted = {one.stage: one.count for one in deliveries.counts(conn)}
        assert counted == {DeliveryStage.FAILED: 6, DeliveryStage.WAITING: 1}, "who is told waits"
        late = report(conn, [attempted(stretch[0], 500)], [])
        assert (late.disabled, late.handed_out) == (None, [])


def test_the_log_of_attempts_is_forgotten_in_time_the_oldest_first(engine: Engine) -> None:
    with write(engine) as conn:
        stretch = taken(conn, 3)
        for number, task in enumerate(stretch):
            sent: dict[str, Any] = {"request_headers": {}, "status": 200, "response_headers": {}, "response_body": b""}
            entry = attempts.entry(task.delivery, **sent, seconds=0.1, error=None, now=at(number))
            attempts.record(conn, [entry])
        assert attempts.sweep(conn, before=at(2), limit=1) == 1
        assert [len(attempts.of_delivery(conn, task.delivery.id)) for task in stretch] == [0, 1, 1]
        assert attempts.sweep(conn, before=at(2), limit=10) == 1
        assert attempts.sweep(conn, before=at(2), limit=10) == 0
        assert [len(attempts.of_delivery(conn, task.delivery.id)) for task in stretch] == [0, 0, 1]
