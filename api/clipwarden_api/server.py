"""Run the HTTP gateway, which Cloudinary's SDKs upload to and ask about assets.

The supervising process opens the port, hands it to processes that answer, restarts those that end, and serves the sum
of their figures under ``/metrics`` on a port of its own.
"""

import argparse
import shutil
import socket
import sys
import tempfile

import uvicorn

from clipwarden import errors, logs, monitoring, tracing
from clipwarden.processes import Child, Supervisor, stop_on_signals
from clipwarden.settings import LogFormat, Settings
from clipwarden_api import app
from clipwarden_api.guarded import Guarded
from clipwarden_api.services import Services, build

log = logs.logger(__name__)

#: Seconds that requests get to end after SIGTERM.
_DRAIN = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen at")
    parser.add_argument("--port", type=int, metavar="N", help="port to listen at")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="processes that answer (default 1)")
    parser.add_argument("--child", type=int, metavar="FD", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    settings = Settings()
    form = {"format": LogFormat.JSON} if arguments.json else {}
    logs.configure(settings.log.model_copy(update=form))
    if arguments.child is None:
        warn(settings)
        _supervise(settings, arguments)
    else:
        _answer(settings, socket.socket(fileno=arguments.child))
    return 0


def warn(settings: Settings) -> None:
    """Log what works and had better be otherwise."""
    if not settings.database.seals:
        log.warning("secrets not sealed", reason="CLIPWARDEN_DATABASE__SECRET_KEYS is not set")


def serving(services: Services, *, host: str | None = None, port: int | None = None) -> uvicorn.Server:
    """Return the server of the gateway, not yet running."""
    settings = services.settings.api
    return _Server(
        uvicorn.Config(
            app.build(services),
            host=host or settings.host,
            port=settings.port if port is None else port,
            http=Guarded,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_DRAIN,
        ),
        services,
    )


class _Server(uvicorn.Server):
    """A server that ends streams before it waits for the requests that are under way: they would never end."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self._services = services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is under way."""
        self._services.changes.end()
        await super().shutdown(sockets)


def _supervise(settings: Settings, arguments: argparse.Namespace) -> None:
    stop = stop_on_signals()
    api = settings.api
    host, port = arguments.host or api.host, api.port if arguments.port is None else arguments.port
    figures = tempfile.mkdtemp(prefix="clipwarden-metrics-")
    supervisor = Supervisor(lambda name, event: log.warning("process ended", process=name, reason=event))
    try:
        with _listening(host, port) as listener:
            for number in range(arguments.processes):
                supervisor.start(_child(number, listener, figures, as_json=arguments.json))
            log.info("gateway started", host=host, port=listener.getsockname()[1], processes=arguments.processes)
            place = (api.metrics_host, api.metrics_port)
            with monitoring.serving(place, figures, supervisor, port="CLIPWARDEN_API__METRICS_PORT"):
                supervisor.watch(stop)
    finally:
        supervisor.stop(patience=_DRAIN + 10, together=True)
        shutil.rmtree(figures, ignore_errors=True)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as exc:
        hint = "CLIPWARDEN_API__HOST and CLIPWARDEN_API__PORT, or --host and --port, name another place"
        raise errors.ConfigurationError(f"cannot listen at {host}:{port}: {exc.strerror}; {hint}") from exc


def _child(number: int, listener: socket.socket, figures: str, *, as_json: bool) -> Child:
    argv = [sys.executable, "-m", "clipwarden.cli", "api", "--child", str(listener.fileno())]
    return Child(
        name=f"gateway {number}",
        argv=argv + (["--json"] if as_json else []),
        env={"PROMETHEUS_MULTIPROC_DIR": figures, "PYTHONUNBUFFERED": "1"},
        files=(listener.fileno(),),
    )


def _answer(settings: Settings, listener: socket.socket) -> None:
    tracing.configure(settings.tracing, "clipwarden-gateway")
    services = build(settings)
    try:
        serving(services).run(sockets=[listener])
    finally:
        services.close()
        tracing.close()
