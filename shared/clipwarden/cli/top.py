"""Watch how the installation fares, live: pools, stages, callbacks and the bus."""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console
from rich.live import Live
from sqlalchemy import Engine

from clipwarden import errors, logs
from clipwarden.broker import Countable, build_counter, queues
from clipwarden.broker.queues import QueueFigures
from clipwarden.cli import output, top_view
from clipwarden.cli.top_view import Frame
from clipwarden.settings import Settings
from clipwarden.store import operations
from clipwarden.store.engine import create_engine
from clipwarden.store.migrating import require_usable
from clipwarden.store.operations import Operations

T = TypeVar("T")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--once", action="store_true", help="show one look and end")
    parser.add_argument(
        "--interval", type=_seconds, default=5.0, metavar="S", help="seconds between two looks (default 5)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show one look after the other until ctrl-C; what cannot be reached is said, and tried again."""
    settings = Settings()
    logs.configure(settings.log)
    watch = Watch.of(settings)
    try:
        if arguments.once:
            return _once(watch, as_json=arguments.json)
        _follow(watch, arguments.interval, as_json=arguments.json)
    except KeyboardInterrupt:
        return 0
    finally:
        watch.close()
    return 0


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks at the database and at the bus, and remembers what was last seen of either."""

    engine: Engine
    bus: Countable
    _current: bool = field(default=False, init=False)
    _last: Frame = field(default_factory=Frame, init=False)

    @classmethod
    def of(cls, settings: Settings) -> "Watch":
        """Return what looks where the settings say; nothing is contacted yet."""
        return cls(
            engine=create_engine(settings.database),
            bus=build_counter(settings.bus_url, namespace=settings.redis.namespace),
        )

    def look(self) -> Frame:
        """Look once. Raises what no further look would mend, such as a database of another schema."""
        found, store_fault = _tried(self._operations)
        bus, bus_fault = _tried(self._queues)
        self._last = Frame(
            operations=found or self._last.operations,
            rates=found.rates if found is not None else None,
            bus=bus,
            store_fault=store_fault,
            bus_fault=bus_fault,
        )
        return self._last

    def close(self) -> None:
        """Disconnect."""
        self.bus.close()
        self.engine.dispose()

    def _operations(self) -> Operations:
        if not self._current:
            require_usable(self.engine)
            self._current = True
        before = self._last.operations
        return operations.look(self.engine, since=before.at if before is not None else None)

    def _queues(self) -> list[QueueFigures]:
        return queues.figures(self.bus)


def _once(watch: Watch, *, as_json: bool) -> int:
    frame = watch.look()
    if as_json:
        output.show_json(top_view.document(frame))
    else:
        _console().print(top_view.text(frame))
    return 1 if frame.store_fault else 0


def _follow(watch: Watch, interval: float, *, as_json: bool) -> None:
    console = _console()
    if as_json:
        _repeat(watch, interval, lambda frame: output.say(top_view.line(frame)))
    elif not console.is_terminal:
        _repeat(watch, interval, lambda frame: console.print(top_view.text(frame)))
    else:
        first = top_view.text(watch.look())
        # Drawn four times a second, so that another size of the terminal is seen to at once.
        with Live(first, console=console, screen=True, refresh_per_second=4) as live:
            _repeat(watch, interval, lambda frame: live.update(top_view.text(frame)))


def _repeat(watch: Watch, interval: float, show: Callable[[Frame], None]) -> None:
    while True:
        show(watch.look())
        time.sleep(interval)


def _console() -> Console:
    return Console(file=sys.stdout, highlight=False, markup=False)


def _tried(ask: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return the answer, or why there is none now."""
    try:
        return ask(), None
    except errors.TransientError as exc:
        return None, str(exc)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 3600:  # noqa: PLR2004 # as the message says
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.5 to 3600")
    return seconds
