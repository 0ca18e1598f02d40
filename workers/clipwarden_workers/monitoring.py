"""``/metrics`` and ``/healthz`` of a group of worker processes, served by their supervisor."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from clipwarden import errors, logs, metrics
from clipwarden.processes import Supervisor
from clipwarden.settings import Settings
from clipwarden_workers.gauges import Gauges

log = logs.logger(__name__)


@contextmanager
def serving(settings: Settings, directory: str, supervisor: Supervisor) -> Iterator[None]:
    """Serve for the time of the block, on the port that the settings name; port 0 serves nothing."""
    worker = settings.worker
    if not worker.metrics_port:
        yield
        return
    handler = _handler(Gauges(settings).readings(), directory, supervisor)
    try:
        server = ThreadingHTTPServer((worker.metrics_host, worker.metrics_port), handler)
    except OSError as exc:
        where = f"{worker.metrics_host}:{worker.metrics_port}"
        hint = "CLIPWARDEN_WORKER__METRICS_PORT names another port, or 0 for none"
        raise errors.ConfigurationError(f"cannot serve metrics on {where}: {exc.strerror}; {hint}") from exc
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    log.info("metrics served", url=f"http://{worker.metrics_host}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _handler(readings: list[metrics.Readings], directory: str, supervisor: Supervisor) -> type[BaseHTTPRequestHandler]:
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
