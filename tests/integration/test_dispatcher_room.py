"""What waits in a long queue is not sent over and over, and what got lost is sent nevertheless."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from clipwarden import errors
from clipwarden.moderation import Stage
from clipwarden.settings import Settings
from clipwarden.store import schema
from clipwarden.store.engine import write
from clipwarden_workers import actors, pools, room
from clipwarden_workers.bus import Bus, Queue, Step
from clipwarden_workers.dispatcher import Dispatcher
from clipwarden_workers.room import Room
from clipwarden_workers.services import Services, build
from records import at, moderation

FULL, ROWS = 20, 50


@pytest.fixture
def services(pipeline_settings: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """Give what a worker has; nobody takes messages, and queues may be asked at any time."""
    monkeypatch.setattr(room, "FULL", FULL)
    monkeypatch.setattr(room, "EVERY", 0.0)
    services = build(Settings.model_validate(pipeline_settings))
    actors.declare(services)
    with write(services.engine) as conn:
        pools.register(conn, [(pool, pools.slots(pool)) for pool in services.pools.values()], services.clock)
    yield services
    services.close()


@pytest.fixture
def dispatcher(services: Services) -> Dispatcher:
    """Give a dispatcher of more rows than fill a queue."""
    with write(services.engine) as conn:
        for number in range(ROWS):
            moderation(conn, stage=Stage.INTAKE, due_at=at(number))
    return Dispatcher(services)


@pytest.fixture
def sent(services: Services, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the rows of all messages that are sent."""
    send, found = services.bus.send, []

    def sending(step: Step, row_id: str, fence: int) -> bool:
        found.append(row_id)
        return send(step, row_id, fence)

    monkeypatch.setattr(services.bus, "send", sending)
    return found


def run_out(services: Services) -> None:
    """Let every lease run out: nobody has come to these rows."""
    with write(services.engine) as conn:
        conn.execute(sa.update(schema.moderations).values(due_at=at(0)))


def test_messages_of_a_queue_that_nobody_empties_are_bounded(services: Services, dispatcher: Dispatcher) -> None:
    for _ in range(10):
        dispatcher.look()
        run_out(services)
    assert FULL <= services.bus.waiting(Queue.MEDIA) <= FULL + 9


def test_the_longest_overdue_row_gets_a_message_although_its_queue_is_full(
    services: Services, dispatcher: Dispatcher, sent: list[str]
) -> None:
    dispatcher.look()
    with write(services.engine) as conn:
        lost = moderation(conn, stage=Stage.INTAKE, due_at=at(-1))
    sent.clear()
    dispatcher.look()
    assert sent == [lost.id]


def test_all_are_sent_again_once_there_is_room(services: Services, dispatcher: Dispatcher, sent: list[str]) -> None:
    for _ in range(ROWS):
        dispatcher.look()
        services.broker.flush_all()
    assert len(set(sent)) == ROWS


class Silent(Bus):
    """A bus that cannot be asked."""

    def __init__(self) -> None:
        self.asked = 0

    def waiting(self, queue: Queue) -> int:
        """Say that it cannot be asked."""
        self.asked += 1
        raise errors.BusUnavailable(f"{queue} is away")


def test_a_queue_is_asked_once_its_room_is_used_up_and_not_all_the_time() -> None:
    bus, now = Silent(), [100.0]
    some = Room(bus, Queue.MEDIA, now=lambda: now[0])
    with pytest.raises(errors.BusUnavailable):
        some.left()
    # Sending the one that is left tells of it.
    assert (some.left(), some.left(), bus.asked) == (1, 1, 1)
    some.take(1)
    assert (some.left(), bus.asked) == (0, 1)
    now[0] += room.EVERY
    with pytest.raises(errors.BusUnavailable):
        some.left()
    assert (some.left(), bus.asked) == (1, 2)
