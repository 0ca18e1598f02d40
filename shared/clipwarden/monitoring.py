"""``/metrics`` and ``/healthz`` of a group of processes, served by their supervisor."""

import threading
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
) -> Iterator[None]:
    """Serve for the time of the block; port 0 serves nothing. ``port`` names the setting that says which one.

    Figures are those that the supervisor's processes write to the directory, and the readings.
    """
    host, number = place
    if not number:
        yield
        return
    try:
        server = ThreadingHTTPServer(place, _handler(readings, directory, supervisor))
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


def _handler(
    readings: Sequence[metrics.Readings], directory: str, supervisor: Supervisor
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the base class dispatches on this name
            if self.path == "/metrics":
                self._answer(HTTPStatus.OK, metrics.exposition(directory, readings), metrics.CONTENT_TYPE)
            elif self.path == "/healthz":
                alive = all(child.running for child in supervisor.children)
                self._answer(
                    HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE, b"ok\n" if alive else b"restarting\n"
                )
            else:
                self._answer(HTTPStatus.NOT_FOUND, b"there are /metrics and /healthz\n")

        def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's parameter
            log.debug("metrics request", line=format % args)

    return Handler
