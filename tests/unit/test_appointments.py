"""Messages are sent when their time has come, in the order of their times, and not after the end."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from clipwarden_workers.appointments import Appointments
from clipwarden_workers.bus import Step
from waiting import eventually

SOON, LATER, NEVER = (timedelta(seconds=seconds) for seconds in (0.05, 0.2, 3600))


class Bus:
    """Keeps what is sent, and refuses a row."""

    def __init__(self) -> None:
        self.sent: list[tuple[Step, str, int]] = []

    def send(self, step: Step, row_id: str, fence: int) -> None:
        """Keep a message."""
        if row_id == "refused":
            raise RuntimeError(row_id)
        self.sent.append((step, row_id, fence))


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def appointments(bus: Bus) -> Iterator[Appointments]:
    made = Appointments(bus.send)
    yield made
    made.close()


def test_messages_are_sent_in_the_order_of_their_times(bus: Bus, appointments: Appointments) -> None:
    appointments.make(NEVER, Step.COLLECT, "never", 1)
    appointments.make(LATER, Step.COLLECT, "later", 2)
    appointments.make(SOON, Step.COLLECT, "soon", 3)
    eventually(lambda: len(bus.sent) == 2)
    assert bus.sent == [(Step.COLLECT, "soon", 3), (Step.COLLECT, "later", 2)]


def test_a_message_that_fails_does_not_keep_others_from_being_sent(bus: Bus, appointments: Appointments) -> None:
    appointments.make(timedelta(0), Step.COLLECT, "refused", 1)
    appointments.make(SOON, Step.COLLECT, "soon", 1)
    eventually(lambda: bus.sent)
    assert bus.sent == [(Step.COLLECT, "soon", 1)]


@pytest.mark.parametrize("before", [(), (NEVER,), (SOON, NEVER)])
def test_nothing_is_sent_after_the_end(bus: Bus, before: tuple[Any, ...]) -> None:
    appointments = Appointments(bus.send)
    for wait in before:
        appointments.make(wait, Step.COLLECT, "before", 1)
    appointments.close()
    sent = list(bus.sent)
    appointments.make(timedelta(0), Step.COLLECT, "after", 1)
    assert bus.sent == sent
    assert not {"after"} & {row_id for _, row_id, _ in bus.sent}
