"""Child processes that are kept running: one that ends or ails is started again, and all end with their supervisor."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clipwarden import metrics, tether

#: Seconds before a child that ended is started again: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
#: A child that lived this long, in seconds, is started again after the first pause.
HEALTHY_AFTER = 30.0
#: Seconds between two looks at how children are.
CHECK_EVERY = 5.0


@dataclass(kw_only=True)
class Child:
    """One program to be kept running."""

    name: str
    argv: list[str]
    env: Mapping[str, str] = field(default_factory=dict)  #: In addition to our own environment.
    files: tuple[int, ...] = ()  #: Descriptors that it inherits under their numbers.
    output: Path | None = None  #: File that what it prints is appended to; ours without one.
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    restart_at: float = 0.0
    ails: bool = False  #: It did when it was looked at last.
    kill_at: float | None = None  #: It was asked to end, for it ails.

    @property
    def running(self) -> bool:
        """Say whether the program is there."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the program, tied to this process."""
        with contextlib.ExitStack() as opened:
            output = opened.enter_context(self.output.open("ab")) if self.output is not None else None
            self.process = subprocess.Popen(
                tether.command(self.argv),
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=self.files,
            )
        self.started = time.monotonic()


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


class Supervisor:
    """Starts children in order and keeps them; used from one thread, for the kernel ties children to their thread."""

    def __init__(self, report: Callable[[str, str], None]) -> None:
        self._report = report  #: Called with a child's name and what happened to it.
        self.children: list[Child] = []

    def start(self, child: Child) -> Child:
        """Start a child and keep it from now on."""
        child.start()
        self.children.append(child)
        return child

    def pids(self) -> set[int]:
        """Return the ids of the processes that there are now."""
        return {child.process.pid for child in list(self.children) if child.process is not None}

    def watch(
        self, stop: threading.Event, ailments: Callable[[], Mapping[int, str]] = dict, *, patience: float = 30.0
    ) -> None:
        """Restart what ends, and what ails, until told to stop.

        ``ailments`` tells which processes are not well, by their ids, and why.
        """
        check_at = time.monotonic()
        while not stop.wait(0.2):
            self.tend()
            if time.monotonic() >= check_at:
                self.heal(ailments(), patience)
                check_at = time.monotonic() + CHECK_EVERY

    def heal(self, ailments: Mapping[int, str], patience: float = 30.0) -> None:
        """End what ails for the second time in a row: SIGTERM, and SIGKILL after ``patience`` seconds.

        Where the machine or its clock stood still, all that waits looks ill for a moment.
        """
        for child in self.children:
            reason = ailments.get(child.process.pid) if child.process is not None else None
            if child.process is not None and reason and child.ails and child.kill_at is None:
                self._report(child.name, f"asked to end: {reason}")
                child.kill_at = time.monotonic() + patience
                child.process.terminate()
            child.ails = bool(reason)

    def tend(self) -> None:
        """Restart what has ended, once its pause is over, and kill what was asked to end and did not in time."""
        for child in self.children:
            self._tend(child)

    def stop(self, patience: float = 30.0, *, together: bool = False) -> None:
        """End all children, the last one first, with SIGTERM and after ``patience`` seconds with SIGKILL.

        Each is waited for before the one that it may need ends, unless they all end ``together``.
        """
        for child in self.children if together else ():
            if child.process is not None:
                child.process.terminate()
        for child in reversed(self.children):
            if child.process is None:
                continue
            child.process.terminate()
            try:
                child.process.wait(patience)
            except subprocess.TimeoutExpired:
                self._report(child.name, "killed: it did not stop in time")
                child.process.kill()
                child.process.wait()
        self.children.clear()

    def _tend(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.restart_at:
                child.start()
            return
        if (code := child.process.poll()) is None:
            if child.kill_at is not None and now >= child.kill_at:
                child.process.kill()
            return
        metrics.RESTARTS.labels("ended" if child.kill_at is None else "stuck").inc()
        child.kill_at, child.ails = None, False
        child.pause = FIRST_PAUSE if now - child.started > HEALTHY_AFTER else min(child.pause * 2, LONGEST_PAUSE)
        child.restart_at = now + child.pause
        child.process = None
        self._report(child.name, f"ended with code {code}; starts again in {child.pause:.0f} s")
