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

from clipwarden import errors, logs, metrics
from clipwarden.processes import Supervisor

log = logs.logger(__name__)


@contextmanager
def serving(
    place: tuple[str, int],
    directory: str,
    supervisor: Supervisor,
    readings: Sequence[metrics.Readings] = (),
    *,
    port: str,
    stuck_after: float | None = None,
) -> Iterator[None]:
    """Serve for the time of the block; port 0 serves nothing. ``port`` names the setting that says which one.

    Figures are those that the supervisor's processes write to the directory, and the readings. Where these processes
    have a loop, one that has not looked for ``stuck_after`` seconds is stuck.
    """
    host, number = place
    if not number:
        yield
        return
    try:
        server = ThreadingHTTPServer(place, _handler(readings, Group(directory, supervisor, stuck_after)))
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
    """The processes of one supervisor, and how they are."""

    def __init__(self, directory: str, supervisor: Supervisor, stuck_after: float | None) -> None:
        self._directory, self._supervisor, self._stuck_after = directory, supervisor, stuck_after

    def figures(self, readings: Sequence[metrics.Readings]) -> bytes:
        """Return the text of ``/metrics``."""
        metrics.forget(self._directory, self._supervisor.pids)
        return metrics.exposition(self._directory, readings)

    def ailment(self) -> str:
        """Say what is wrong with the processes; empty where nothing is."""
        if not all(child.running for child in self._supervisor.children):
            return "restarting"
        longest = max((time.time() - looked for looked in self._looks().values()), default=0.0)
        if self._stuck_after is not None and longest > self._stuck_after:
            return f"stuck: a loop has not looked for {longest:.0f} s"
        return ""

    def hindrance(self) -> str:
        """Say why the processes do not work, or not yet; empty where they do."""
        waiting = self._stuck_after is not None and len(self._looks()) < len(self._supervisor.children)
        return self.ailment() or ("starting" if waiting else "")

    def _looks(self) -> dict[int, float]:
        living = self._supervisor.pids()
        return {pid: looked for pid, looked in metrics.looks(self._directory).items() if pid in living}


def _handler(readings: Sequence[metrics.Readings], group: Group) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the base class dispatches on this name
            if self.path == "/metrics":
                self._answer(HTTPStatus.OK, group.figures(readings), metrics.CONTENT_TYPE)
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
