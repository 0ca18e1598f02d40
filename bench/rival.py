"""Another client of the same quota, who asks nobody: up to five jobs at once, begun and paused at random."""

import random
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from bench import workload
from clipwarden import errors
from clipwarden.moderation import Location
from clipwarden_workers.rekognition import Rekognition

#: Slots that the rival takes at most.
SLOTS = 5


class Rival:
    """Takes slots for the time of a ``with`` block."""

    def __init__(self, rekognition: Rekognition, bucket: Path, *, mean_seconds: float, pause: float) -> None:
        self._rekognition = rekognition
        self._bucket = bucket
        self._mean = mean_seconds
        self._pause = pause  #: Seconds before a refused call is repeated.
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(lane,), daemon=True) for lane in range(SLOTS)]
        self.jobs: dict[str, float] = {}  #: Seconds of each job by its request token.

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, lane: int) -> None:
        rng = random.Random(lane)
        number = 0
        while not self._stop.wait(rng.uniform(0, self._mean)):
            number += 1
            seconds = rng.uniform(0.5, 1.5) * self._mean
            token = f"rival-{lane}-{number}"
            workload.script(self._bucket, f"{token}.mp4", seconds)
            self.jobs[token] = seconds
            if self._take(token):
                self._stop.wait(seconds)

    def _take(self, token: str) -> bool:
        place = Location(bucket=self._bucket.name, key=f"{token}.mp4")
        while not self._stop.is_set():
            try:
                self._rekognition.start(place, min_confidence=0.0, token=token, tag=token)
            except errors.TransientError:
                self._stop.wait(self._pause)
            else:
                return True
        return False
