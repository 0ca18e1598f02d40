"""``/metrics``, ``/healthz`` and ``/readyz`` of a group of processes, served by their supervisor.

Healthy is a group whose processes run, and whose loops look; ready is one whose loops have looked. Neither asks for the
database: to begin anew would not bring it back.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from clipwarden import errors, logs, metrics
from clipwarden.processes import Supervisor

log = logs.logger(__name__)

#: What tells that a loop began, and no more.
_BEGAN = next(iter(metrics.BEGAN.describe())).name


@contextmanager
def serving(
    place: tuple[str, int], group: "Group", sources: Sequence[metrics.Source[Any]] = (), *, port: str
) -> Iterator[None]:
    """Serve for the time of the block; port 0 serves nothing. ``port`` names the setting that says which one.

    Figures are those of the group's processes, and those of the sources.
    """
    host, number = place
    if not number:
        yield
        return
    try:
        server = ThreadingHTTPServer(place, _handler(sources, group))
    except OSError as exc:
        hint = f"{port} names another port, or 0 for none"
        raise errors.ConfigurationError(f"cannot serve metrics on {host}:{number}: {exc.strerror}; {hint}") from exc
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    log.info("metrics served", url=f"http://{host}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class Group:
    """The processes of one supervisor, which write their figures to the directory, and how they are.

    Where they have a loop, one that has not looked for ``stuck_after`` seconds is stuck.
    """

    def __init__(self, directory: str, supervisor: Supervisor, stuck_after: float | None = None) -> None:
        self._directory, self._supervisor, self._stuck_after = directory, supervisor, stuck_after
        for reason in ("ended", "stuck"):
            metrics.RESTARTS.labels(reason)  # So that it is there, at zero.

    def figures(self, sources: Sequence[metrics.Source[Any]]) -> bytes:
        """Return the text of ``/metrics``."""
        metrics.forget(self._directory, self._supervisor.pids)
        return metrics.exposition(self._directory, [metrics.Scrape(sources), metrics.OfSupervisor()])

    def stuck(self) -> dict[int, str]:
        """Return the processes that are stuck, by their ids, and for how long they are."""
        if self._stuck_after is None:
            return {}
        now = time.time()
        ages = {pid: now - max(told.values()) for pid, told in self._signs().items()}
        return {pid: f"a loop has not looked for {age:.0f} s" for pid, age in ages.items() if age > self._stuck_after}

    def ailment(self) -> str:
        """Say what is wrong with the processes; empty where nothing is."""
        if not all(child.running for child in self._supervisor.children):
            return "restarting"
        return next((f"stuck: {reason}" for reason in self.stuck().values()), "")

    def hindrance(self) -> str:
        """Say why the processes do not work, or not yet; empty where they do."""
        looked = sum(bool(told.keys() - {_BEGAN}) for told in self._signs().values())
        waiting = self._stuck_after is not None and looked < len(self._supervisor.children)
        return self.ailment() or ("starting" if waiting else "")

    def _signs(self) -> dict[int, dict[str, float]]:
        living = self._supervisor.pids()
        return {pid: told for pid, told in metrics.signs(self._directory).items() if told and pid in living}


def _handler(sources: Sequence[metrics.Source[Any]], group: Group) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the base class dispatches on this name
            if self.path == "/metrics":
                self._answer(HTTPStatus.OK, group.figures(sources), metrics.CONTENT_TYPE)
            elif self.path == "/healthz":
                self._tell(group.ailment())
            elif self.path == "/readyz":
                self._tell(group.hindrance())
            else:
                self._answer(HTTPStatus.NOT_FOUND, b"there are /metrics, /healthz and /readyz\n")

        def _tell(self, wrong: str) -> None:
            status = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
            self._answer(status, f"{wrong or 'ok'}\n".encode())

        def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's parameter
            log.debug("metrics request", line=format % args)

    return Handler
