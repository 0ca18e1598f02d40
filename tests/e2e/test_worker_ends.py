"""A worker that is asked to end finishes what it is at; one that is stuck is ended, and another takes its place."""

import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import scripting
from clipwarden import Client
from clipwarden.moderation import Moderation, Stage, Status
from clipwarden.store import moderations
from clipwarden.store.engine import read
from clipwarden_local.stack import Options, Stack
from fixtures.clips import Clips
from living import children_of, runs
from servers import RawServer, read_request
from waiting import eventually


class Holding:
    """Stands between workers and the endpoint; answers that tell of a job's start are held back until told to go on."""

    def __init__(self) -> None:
        self.holds = threading.Event()
        self.go_on = threading.Event()
        self.port = 0  #: The endpoint's.

    def serve(self, connection: socket.socket) -> None:
        """Pass on requests and their answers."""
        while request := read_request(connection):
            with socket.create_connection(("127.0.0.1", self.port)) as endpoint:
                endpoint.sendall(request)
                answer = read_request(endpoint)
            if b"StartContentModeration" in request:
                self.holds.set()
                self.go_on.wait(60)
            connection.sendall(answer)


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Stack]:
    options = Options(data=folder, analyser="scripted", logs=folder / "log", environment=tuple(environment.items()))
    with Stack(options, report=print) as stack:
        yield stack


def _worker(stack: Stack) -> int:
    parent = next(child for child in stack.supervisor.children if child.name == "workers").process
    assert parent is not None
    (worker,) = eventually(lambda: children_of(parent.pid))
    return worker


def _said(stack: Stack) -> str:
    return (stack.options.data / "log").read_text(errors="replace")


def _moderation(stack: Stack, id: str) -> Moderation | None:
    with stack.engine() as engine, read(engine) as conn:
        return moderations.by_id(conn, id)


def test_a_worker_that_is_asked_to_end_finishes_what_it_is_at_and_another_goes_on(tmp_path: Path, clips: Clips) -> None:
    holding = Holding()
    with (
        RawServer(holding.serve) as between,
        running(tmp_path, CLIPWARDEN_REKOGNITION__ENDPOINT_URL=f"http://127.0.0.1:{between.port}") as stack,
    ):
        holding.port = stack.endpoint_port
        (tmp_path / "media" / "clipwarden" / "in.mp4").write_bytes(clips("plain").read_bytes())
        with Client(stack.redis_url) as client:
            moderation_id = client.enqueue("s3://clipwarden/in.mp4")
        assert holding.holds.wait(60)
        worker = _worker(stack)
        os.kill(worker, signal.SIGTERM)
        eventually(lambda: "worker stopping" in _said(stack))
        assert runs(worker)
        assert "worker stopped" not in _said(stack)
        holding.go_on.set()
        eventually(lambda: "ended with code 0" in _said(stack))

        def ended() -> bool:
            found = _moderation(stack, moderation_id)
            return found is not None and (found.stage, found.status) == (Stage.DECIDED, Status.APPROVED)

        eventually(ended, within=60)
        journal = scripting.journal(stack.endpoint_url)
    # The second worker found the job written down, and did not ask for it again.
    assert [call["operation"] for call in journal["calls"]].count("StartContentModeration") == 1
    assert journal["jobs"] == 1


def test_a_worker_that_is_stuck_is_ended_and_another_takes_its_place(tmp_path: Path) -> None:
    with running(tmp_path, CLIPWARDEN_WORKER__STUCK_AFTER="2", CLIPWARDEN_WORKER__DRAIN="0.1") as stack:
        # It looks for due work, or it would not count as stuck.
        eventually(lambda: "worker started" in _said(stack))
        stuck = 'clipwarden_process_restarts_total{reason="stuck"} '
        assert _figure(stack, stuck) == 0
        worker = _worker(stack)
        eventually(lambda: _figure(stack, 'clipwarden_loop_look_timestamp_seconds{loop="dispatcher"} ') > 0)
        os.kill(worker, signal.SIGSTOP)
        eventually(lambda: not runs(worker), within=60)
        eventually(lambda: _figure(stack, stuck) == 1)
        eventually(lambda: _said(stack).count("worker started") == 2, within=60)


def _figure(stack: Stack, sample: str) -> float:
    with urllib.request.urlopen(stack.metrics_url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample))
