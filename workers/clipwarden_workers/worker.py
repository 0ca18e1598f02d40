"""Run worker processes: they moderate, look for due work, and serve metrics.

The supervising process restarts workers that end or are stuck, and serves the sum of their figures under ``/metrics``.
"""

import argparse
import shutil
import sys
import tempfile
import threading

from clipwarden import errors, logs, monitoring
from clipwarden.broker.queues import Queue
from clipwarden.processes import Child, Supervisor, stop_on_signals
from clipwarden.settings import LogFormat, Settings
from clipwarden_workers.gauges import Gauges

log = logs.logger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="worker processes (default 1)")
    parser.add_argument("--threads", type=int, metavar="N", help="actors that run at once in each process")
    parser.add_argument(
        "--queues",
        default=",".join(Queue),
        metavar="Q,…",
        help="queues to serve, separated by commas (default: all of %(default)s)",
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    settings = _settings(arguments)
    queues = _queues(arguments.queues)
    logs.configure(settings.log)
    stop = stop_on_signals()
    if arguments.child:
        from clipwarden_workers import process  # noqa: PLC0415 # what supervises needs neither actors nor AWS's libraries

        process.serve(settings, queues, stop=stop)
    else:
        _supervise(settings, arguments, stop)
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = Settings()
    threads = {} if arguments.threads is None else {"threads": arguments.threads}
    form = {"format": LogFormat.JSON} if arguments.json else {}
    return settings.model_copy(
        update={
            "worker": settings.worker.model_copy(update=threads),
            "log": settings.log.model_copy(update=form),
        }
    )


def _queues(text: str) -> list[Queue]:
    try:
        return [Queue(name.strip()) for name in text.split(",")]
    except ValueError as exc:
        raise errors.ConfigurationError(f"{exc}; there are {', '.join(Queue)}") from exc


def _supervise(settings: Settings, arguments: argparse.Namespace, stop: threading.Event) -> None:
    figures = tempfile.mkdtemp(prefix="clipwarden-metrics-")
    supervisor = Supervisor(lambda name, event: log.warning("process ended", process=name, reason=event))
    group = monitoring.Group(figures, supervisor, settings.worker.stuck_after)
    patience = settings.worker.drain + 10
    try:
        for number in range(arguments.processes):
            supervisor.start(_child(number, arguments, figures))
        place = (settings.worker.metrics_host, settings.worker.metrics_port)
        sources = Gauges(settings).sources()
        with monitoring.serving(place, group, sources, port="CLIPWARDEN_WORKER__METRICS_PORT"):
            supervisor.watch(stop, group.stuck, patience=patience)
    finally:
        supervisor.stop(patience=patience, together=True)
        shutil.rmtree(figures, ignore_errors=True)


def _child(number: int, arguments: argparse.Namespace, figures: str) -> Child:
    argv = [sys.executable, "-m", "clipwarden.cli", "worker", "--child", "--queues", arguments.queues]
    if arguments.threads is not None:
        argv += ["--threads", str(arguments.threads)]
    if arguments.json:
        argv.append("--json")
    return Child(name=f"worker {number}", argv=argv, env={"PROMETHEUS_MULTIPROC_DIR": figures, "PYTHONUNBUFFERED": "1"})
