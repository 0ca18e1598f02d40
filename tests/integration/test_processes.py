"""Child processes are kept running and end with their supervisor."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from clipwarden.processes import Child, Supervisor
from living import runs
from waiting import eventually

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_child_that_is_killed_is_started_again() -> None:
    events: list[str] = []
    supervisor = Supervisor(lambda name, event: events.append(f"{name}: {event}"))
    child = supervisor.start(Child(name="sleeper", argv=SLEEPER))
    assert child.process is not None
    first = child.process.pid
    os.kill(first, signal.SIGKILL)

    def restarted() -> bool:
        supervisor.tend()
        return child.process is not None and child.process.pid != first and child.running

    eventually(restarted)
    supervisor.stop()
    assert "sleeper: ended with code -9" in events[0]


def test_stopping_ends_every_child_and_waits_for_it() -> None:
    supervisor = Supervisor(lambda _name, _event: None)
    children = [supervisor.start(Child(name=f"sleeper {number}", argv=SLEEPER)) for number in range(3)]
    pids = [child.process.pid for child in children if child.process is not None]
    supervisor.stop()
    assert not any(runs(pid) for pid in pids)


def test_a_child_that_ignores_the_request_to_stop_is_killed() -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    events: list[str] = []
    supervisor = Supervisor(lambda _name, event: events.append(event))
    child = supervisor.start(Child(name="deaf", argv=[sys.executable, "-c", deaf]))
    assert child.process is not None
    ignored = f"/proc/{child.process.pid}/status"
    eventually(lambda: int(_field(ignored, "SigIgn"), 16) & (1 << (signal.SIGTERM - 1)))
    supervisor.stop(patience=0.2)
    assert events == ["killed: it did not stop in time"]


def _field(path: str, name: str) -> str:
    lines = Path(path).read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "supervisor.py"
    script.write_text(
        "import sys, time\n"
        "from clipwarden.processes import Child, Supervisor\n"
        "argv = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "child = Supervisor(print).start(Child(name='x', argv=argv))\n"
        "print(child.process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    # The kernel ties the child to its parent once it runs what it was started for.
    eventually(lambda: b"time.sleep(600)" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"clipwarden.tether")[-1])
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not runs(pid))


def test_watching_ends_when_told_to_stop() -> None:
    stop = threading.Event()
    stop.set()
    Supervisor(lambda _name, _event: None).watch(stop)


def test_a_child_that_ails_for_a_moment_only_is_left_alone() -> None:
    events: list[str] = []
    supervisor = Supervisor(lambda _name, event: events.append(event))
    child = supervisor.start(Child(name="sleeper", argv=SLEEPER))
    assert child.process is not None
    ailing = {child.process.pid: "it does nothing"}
    for ailments in (ailing, {}, ailing):
        supervisor.heal(ailments)
    assert (events, child.running) == ([], True)
    supervisor.heal(ailing)
    assert events == ["asked to end: it does nothing"]
    supervisor.stop()


def test_watching_asks_how_children_are() -> None:
    stop = threading.Event()

    def ailments() -> dict[int, str]:
        stop.set()
        return {}

    Supervisor(lambda _name, _event: None).watch(stop, ailments)
    assert stop.is_set()
