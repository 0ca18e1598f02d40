"""Run the endpoint by itself: ``python -m clipwarden_local.endpoint --data DIR --objects DIR``."""

import argparse
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from clipwarden_local.analysis.analyser import Analyser
from clipwarden_local.analysis.objects import Objects, open_objects
from clipwarden_local.analysis.scripted import Script, ScriptedAnalyser
from clipwarden_local.endpoint.completions import Topics
from clipwarden_local.endpoint.endpoint import Endpoint, Limits


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; says on standard output where it listens."""
    options = _parser().parse_args(arguments)
    wait_for_end = _listen_for_end()
    objects = open_objects(options.objects)
    endpoint = Endpoint(
        data=options.data,
        objects=objects,
        analyser=_analyser(options, objects),
        host=options.host,
        port=options.port,
        limits=Limits(open_jobs=options.open_jobs, start_rate=options.start_rate, get_rate=options.get_rate),
        publish=Topics(options.sns).publish if options.sns else None,
    )
    with endpoint:
        print(f"listening on {endpoint.url}", flush=True)  # noqa: T201 - whoever started this waits for the line
        wait_for_end()
    return 0


def _listen_for_end() -> Callable[[], None]:
    """Return what waits for SIGTERM or SIGINT, from now on.

    Any thread may be handed the signal, and a lock that the main thread waits for would not notice: a socket does.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def wait() -> None:
        reader.recv(1)
        signal.set_wakeup_fd(-1)
        reader.close()
        writer.close()

    return wait


def _analyser(options: argparse.Namespace, objects: Objects) -> Analyser:
    if options.analyser == "scripted":
        script = Script.model_validate_json(options.script.read_text()) if options.script else None
        return ScriptedAnalyser(objects, script)
    # Imported here: a scripted endpoint needs no models.
    from clipwarden_local.analysis.workers import FrameAnalyser  # noqa: PLC0415

    return FrameAnalyser(objects, data=options.data, workers=options.workers, job_seconds=options.job_seconds)


def _parser() -> argparse.ArgumentParser:
    limits = Limits()
    parser = argparse.ArgumentParser(prog="python -m clipwarden_local.endpoint", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the job book")
    parser.add_argument(
        "--objects", required=True, help="folder with a sub-folder per bucket, or s3://http://HOST:PORT"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default 127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; default a free one")
    parser.add_argument("--analyser", choices=("frames", "scripted"), default="frames", help="what finds the labels")
    parser.add_argument("--script", type=Path, help="JSON file with the script of videos without their own")
    parser.add_argument("--workers", type=int, default=2, help="processes that analyse frames; default 2")
    parser.add_argument("--job-seconds", type=float, default=3600.0, help="longest analysis of one video; default 3600")
    parser.add_argument("--sns", metavar="URL", help="SNS endpoint for completions")
    parser.add_argument("--open-jobs", type=int, default=limits.open_jobs, help="open jobs per region; default 20")
    parser.add_argument(
        "--start-rate", type=float, default=limits.start_rate, help="Start calls per second; 0: no limit"
    )
    parser.add_argument("--get-rate", type=float, default=limits.get_rate, help="Get calls per second; 0: no limit")
    return parser


if __name__ == "__main__":
    sys.exit(main())
