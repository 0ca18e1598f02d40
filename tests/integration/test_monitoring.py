"""A group of processes says how it is: what has ended counts no more, and a loop that is stuck is not well."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipwarden import metrics
from clipwarden.monitoring import Group
from clipwarden.processes import Child, Supervisor
from waiting import eventually

#: Says what it is told to, and stays; ``argv`` are its statements.
_PROCESS = "import sys, time; from clipwarden import metrics; exec(sys.argv[1]); time.sleep(600)"
_LOOKED = "metrics.LOOKED.labels('dispatcher').set({})"
_BEGAN = "metrics.BEGAN.labels('dispatcher').set({})"
_COUNTED = "metrics.UPLOAD_PLACES_TAKEN.inc(3); metrics.UPLOADED_BYTES.inc(5)"

Started = Callable[..., tuple[Group, Supervisor]]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    """Return what starts processes that run these statements, as a group."""
    supervisor = Supervisor(lambda _name, _event: None)

    def start(*statements: str, stuck_after: float | None = 60.0) -> tuple[Group, Supervisor]:
        env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        for statement in statements:
            supervisor.start(Child(name="process", argv=[sys.executable, "-c", _PROCESS, statement], env=env))
        return Group(str(tmp_path), supervisor, stuck_after), supervisor

    yield start
    supervisor.stop()


def _count(group: Group, reason: str) -> float:
    return _value(group, f'clipwarden_process_restarts_total{{reason="{reason}"}}')


def _value(group: Group, name: str) -> float:
    lines = group.figures(()).decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


def test_a_loop_that_has_not_looked_for_long_is_stuck_whatever_the_others_do(started: Started) -> None:
    group, _ = started(_LOOKED.format(time.time()), _LOOKED.format(time.time() - 100))
    eventually(group.ailment, message="nothing is said of the stuck loop")
    assert group.ailment().startswith("stuck: a loop has not looked for 1")
    assert group.hindrance() == group.ailment()


def test_a_group_is_ready_when_every_loop_has_looked(started: Started) -> None:
    group, _ = started(_LOOKED.format(time.time()), "pass")
    eventually(lambda: _value(group, 'clipwarden_loop_look_timestamp_seconds{loop="dispatcher"}') > 0)
    # The other has said nothing yet.
    assert (group.ailment(), group.hindrance()) == ("", "starting")


def test_a_loop_that_has_begun_and_never_looked_is_not_ready_and_stuck_in_the_end(started: Started) -> None:
    group, _ = started(_BEGAN.format(time.time() - 20))
    eventually(lambda: _value(group, 'clipwarden_loop_begin_timestamp_seconds{loop="dispatcher"}') > 0)
    assert (group.ailment(), group.hindrance()) == ("", "starting")
    group, _ = started(_BEGAN.format(time.time() - 100))
    eventually(group.ailment, message="nothing is said of the stuck loop")


def test_a_loop_that_is_about_to_tell_for_the_first_time_is_not_stuck(started: Started) -> None:
    # Between these two, its file says that it looked in 1970.
    group, _ = started("metrics.LOOKED.labels('dispatcher'); metrics.UPLOAD_PLACES_TAKEN.inc(3)")
    eventually(lambda: _value(group, "clipwarden_upload_places_taken") == 3)
    assert (group.ailment(), group.hindrance()) == ("", "starting")


def test_processes_without_loops_are_ready_as_soon_as_they_run(started: Started) -> None:
    group, _ = started(_COUNTED, stuck_after=None)
    assert (group.ailment(), group.hindrance()) == ("", "")


def test_what_a_process_has_at_the_moment_ends_with_it_and_what_it_has_counted_stays(started: Started) -> None:
    group, supervisor = started(_COUNTED, _COUNTED)
    eventually(lambda: _value(group, "clipwarden_upload_places_taken") == 6)
    eventually(lambda: _value(group, "clipwarden_uploaded_bytes_total") == 10)
    first = supervisor.children[0]
    assert first.process is not None
    os.kill(first.process.pid, signal.SIGKILL)
    eventually(lambda: not first.running)
    assert group.ailment() == "restarting"

    def restarted() -> bool:
        supervisor.tend()
        return first.running and _value(group, "clipwarden_uploaded_bytes_total") == 15

    eventually(restarted)
    assert _value(group, "clipwarden_upload_places_taken") == 6


@pytest.mark.parametrize("first", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "])
def test_a_process_that_is_stuck_is_ended_even_if_it_is_deaf_and_started_anew_and_counted(
    started: Started, first: str
) -> None:
    group, supervisor = started(first + _LOOKED.format(time.time() - 100), _LOOKED.format(time.time()))
    stuck, well = (child.process for child in supervisor.children)
    ended, before = _count(group, "ended"), _count(group, "stuck")

    def healed() -> bool:
        supervisor.heal(group.stuck(), patience=0.2)
        supervisor.tend()
        return supervisor.children[0].process not in (stuck, None)

    eventually(healed)
    assert supervisor.children[1].process is well
    assert (_count(group, "ended"), _count(group, "stuck")) == (ended, before + 1)


def test_a_process_that_ends_by_itself_is_counted(started: Started) -> None:
    group, supervisor = started(_COUNTED)
    before, child = _count(group, "ended"), supervisor.children[0]
    assert child.process is not None
    child.process.kill()

    def noticed() -> bool:
        supervisor.tend()
        return _count(group, "ended") == before + 1

    eventually(noticed)


def test_a_file_that_is_just_being_made_tells_nothing(started: Started, tmp_path: Path) -> None:
    group, _ = started("pass")
    (tmp_path / f"gauge_livemin_{os.getpid()}.db").touch()
    assert metrics.signs(str(tmp_path)) == {}
    assert group.stuck() == {}
