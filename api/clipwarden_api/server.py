"""Run the HTTP gateway, which Cloudinary's SDKs upload to and ask about assets.

The supervising process opens the port, hands it to processes that answer, restarts those that end or are stuck, and
serves the sum of their figures under ``/metrics`` on a port of its own.
"""

import argparse
import shutil
import socket
import sys
import tempfile

import starlette  # noqa: F401 # where it is missing, that is said at once, and not by each process that starts

from clipwarden import errors, logs, monitoring
from clipwarden.processes import Child, Supervisor, stop_on_signals
from clipwarden.settings import LogFormat, Settings

log = logs.logger(__name__)

#: Seconds that requests get to end after SIGTERM.
DRAIN = 20
#: Seconds after which a process whose event loop does not go round is restarted.
STUCK_AFTER = 60.0


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
        from clipwarden_api import answering  # noqa: PLC0415 # what supervises needs none of what answers

        answering.answer(settings, socket.socket(fileno=arguments.child))
    return 0


def warn(settings: Settings) -> None:
    """Log what works and had better be otherwise."""
    if not settings.database.seals:
        log.warning("secrets not sealed", reason="CLIPWARDEN_DATABASE__SECRET_KEYS is not set")


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
            group = monitoring.Group(figures, supervisor, STUCK_AFTER)
            with monitoring.serving(place, group, port="CLIPWARDEN_API__METRICS_PORT"):
                supervisor.watch(stop, group.stuck, patience=DRAIN + 10)
    finally:
        supervisor.stop(patience=DRAIN + 10, together=True)
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
