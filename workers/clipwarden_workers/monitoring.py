"""``/metrics`` and ``/healthz`` of a group of worker processes, served by their supervisor."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from clipwarden import errors, logs, metrics
from clipwarden.processes import Supervisor
from clipwarden.settings import Settings
from clipwarden.store import deliveries, moderations, pools
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine, read

log = logs.logger(__name__)


class Readings:
    """Figures of the whole installation, read from the database at scrape time."""

    def __init__(self, settings: Settings) -> None:
        self._engine = create_engine(settings.database)
        self._clock = DatabaseClock(self._engine)

    def gauges(self) -> list[metrics.Readings]:
        """Return the gauges, named and described."""
        return [
            metrics.Readings("clipwarden_moderations", "Moderations in a stage.", ("stage",), self._stages),
            metrics.Readings("clipwarden_oldest_seconds", "Age of the oldest in a stage.", ("stage",), self._oldest),
            metrics.Readings("clipwarden_deliveries", "Callbacks in a stage.", ("stage",), self._deliveries),
            metrics.Readings(
                "clipwarden_delivery_oldest_seconds",
                "Age of the oldest callback in a stage.",
                ("stage",),
                self._undelivered,
            ),
            metrics.Readings("clipwarden_slots_in_use", "Slots in use.", ("pool",), self._slots_in_use),
            metrics.Readings("clipwarden_slots", "Slots that a pool may use.", ("pool",), self._slots),
        ]

    def _stages(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            yield from (((str(row.stage),), row.count) for row in moderations.stages(conn))

    def _oldest(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            rows = moderations.stages(conn)
        yield from (((str(row.stage),), self._age(row.oldest)) for row in rows if row.oldest)

    def _deliveries(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            yield from (((str(row.stage),), row.count) for row in deliveries.counts(conn))

    def _undelivered(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            rows = deliveries.counts(conn)
        yield from (((str(row.stage),), self._age(row.oldest)) for row in rows if row.oldest)

    def _slots_in_use(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            yield from (((pool.name,), pools.in_use(conn, pool.name)) for pool in pools.every(conn))

    def _slots(self) -> Iterator[metrics.Sample]:
        with read(self._engine) as conn:
            yield from (((pool.name,), pool.slots) for pool in pools.every(conn))

    def _age(self, since: datetime) -> float:
        return max(0.0, (self._clock.now() - since).total_seconds())


@contextmanager
def serving(settings: Settings, directory: str, supervisor: Supervisor) -> Iterator[None]:
    """Serve for the time of the block, on the port that the settings name; port 0 serves nothing."""
    worker = settings.worker
    if not worker.metrics_port:
        yield
        return
    handler = _handler(Readings(settings).gauges(), directory, supervisor)
    try:
        server = ThreadingHTTPServer((worker.metrics_host, worker.metrics_port), handler)
    except OSError as exc:
        where = f"{worker.metrics_host}:{worker.metrics_port}"
        raise errors.ConfigurationError(f"cannot serve metrics on {where}: {exc}") from exc
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
                self._metrics()
            elif self.path == "/healthz":
                alive = all(child.running for child in supervisor.children)
                self._answer(
                    HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE, b"ok\n" if alive else b"restarting\n"
                )
            else:
                self._answer(HTTPStatus.NOT_FOUND, b"there are /metrics and /healthz\n")

        def _metrics(self) -> None:
            try:
                self._answer(HTTPStatus.OK, metrics.exposition(directory, readings), metrics.CONTENT_TYPE)
            except errors.StoreUnavailable as exc:
                log.warning("metrics without the database", reason=str(exc))
                self._answer(HTTPStatus.OK, metrics.exposition(directory), metrics.CONTENT_TYPE)

        def _answer(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's parameter
            log.debug("metrics request", line=format % args)

    return Handler
