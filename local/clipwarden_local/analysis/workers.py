"""Analysis of real frames by open models, in processes that a hostile file may bring down without harm."""

import json
import logging
import shutil
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread, Timer

from clipwarden import tether
from clipwarden_local.analysis.analyser import Foreseen, Report, StoredVideo
from clipwarden_local.analysis.objects import ObjectMissing, Objects, ObjectTooLarge
from clipwarden_local.analysis.outcome import Failure, Outcome, decode

_LARGEST_BYTES = 10 * 1024**3
_CLOSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class FrameAnalyser:
    """A few worker processes, each minded by a thread that starts it anew when it breaks."""

    name = "frames/efficientnet-lite0+opennsfw+image-safety-s"

    def __init__(self, objects: Objects, *, data: Path, workers: int = 2, job_seconds: float = 3600.0) -> None:
        """Start the workers; files under analysis lie in a folder below ``data``."""
        self._objects = objects
        self._jobs: SimpleQueue[tuple[str, StoredVideo, Report] | None] = SimpleQueue()
        self._files = data / "analysing"
        # Files of an earlier process that was killed.
        shutil.rmtree(self._files, ignore_errors=True)
        self._files.mkdir(parents=True)
        self._workers = [Worker(data / "models", job_seconds=job_seconds) for _ in range(workers)]
        # A worker is tied to the thread that started it, so that thread must live as long as the analyser.
        self._minders = [
            Thread(target=self._mind, args=(worker,), name=f"minder-{number}", daemon=True)
            for number, worker in enumerate(self._workers)
        ]
        for minder in self._minders:
            minder.start()

    def foresee(self, video: StoredVideo) -> Foreseen:
        """Return nothing: what a video shows is only known once it was looked at."""
        del video
        return Foreseen()

    def begin(self, job_id: str, video: StoredVideo, report: Report) -> None:
        """Queue the job for the next free worker."""
        self._jobs.put((job_id, video, report))

    def close(self) -> None:
        """Kill the workers and drop what is queued."""
        for worker in self._workers:
            worker.close()
        for _ in self._minders:
            self._jobs.put(None)
        for minder in self._minders:
            minder.join(_CLOSE_SECONDS)
        shutil.rmtree(self._files, ignore_errors=True)

    def _mind(self, worker: "Worker") -> None:
        with suppress(WorkerClosed):
            worker.start()
            while (job := self._jobs.get()) is not None:
                job_id, video, report = job
                report(job_id, self._analyse(worker, video))

    def _analyse(self, worker: "Worker", video: StoredVideo) -> Outcome:
        path = self._files / uuid.uuid4().hex
        try:
            self._objects.fetch(video, path, max_bytes=_LARGEST_BYTES)
            return worker.analyse(path)
        except ObjectMissing:
            return Failure(status_message="The object is no longer there.")
        except ObjectTooLarge:
            return Failure(status_message="The object has become too large.")
        except OSError:
            _log.exception("a video could not be fetched")
            return Failure(status_message="Internal error while fetching the video.")
        finally:
            path.unlink(missing_ok=True)


class WorkerClosed(Exception):
    """Raised in the thread that minds a worker when the worker was closed."""


class Worker:
    """One worker process and its successors, used from one thread and closed from any."""

    def __init__(self, cache: Path, *, job_seconds: float) -> None:
        self._cache = cache
        self._job_seconds = job_seconds
        self._lock = Lock()
        self._closed = False
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> "subprocess.Popen[str]":
        """Return the running process, started anew where there is none; raises WorkerClosed."""
        with self._lock:
            if self._closed:
                raise WorkerClosed
            if self._process is not None and self._process.poll() is not None:
                self._release()
            if self._process is None:
                argv = [sys.executable, "-m", "clipwarden_local.analysis.worker", str(self._cache)]
                self._process = subprocess.Popen(
                    tether.command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            return self._process

    def analyse(self, path: Path) -> Outcome:
        """Return the outcome; a process that breaks or takes too long fails this job only. Raises WorkerClosed."""
        process = self.start()
        assert process.stdin is not None  # noqa: S101 - both are pipes, as asked for above
        assert process.stdout is not None  # noqa: S101
        too_long = Event()

        def give_up() -> None:
            too_long.set()
            process.kill()

        timer = Timer(self._job_seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(json.dumps({"path": str(path), "seconds": self._job_seconds}) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        finally:
            timer.cancel()
        if answer.endswith("\n"):
            return decode(answer)
        with self._lock:
            self._release()
        self.start()
        reason = "took too long" if too_long.is_set() else "ended unexpectedly"
        return Failure(status_message=f"The analysis {reason}.")

    def close(self) -> None:
        """Kill the process; none is started after it."""
        with self._lock:
            self._closed = True
            self._release()

    def _release(self) -> None:
        """End the process, if there is one; to be called with the lock held."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                # What was written to a process that has died cannot be flushed.
                with suppress(OSError):
                    pipe.close()
