"""Two schedulers of the kind that others run, written plainly, each in one thread.

They are treated well: a completion message comes the moment a job ends, costs one Get call and is worked on at once.
"""

import heapq
import random
import time
from collections import deque
from collections.abc import Sequence

from bench.workload import Video
from clipwarden import errors, ids
from clipwarden.moderation import Location
from clipwarden_workers.rekognition import Rekognition

#: Share of completion messages that never arrive.
LOST = 0.01
#: Seconds between two wakings of the periodic scheduler, real.
PERIOD = 120.0


class Desk:
    """Starts jobs, and hands out their completions as they fall due."""

    def __init__(self, rekognition: Rekognition, bucket: str, *, pause: float) -> None:
        self._rekognition = rekognition
        self._bucket = bucket
        self._pause = pause  #: Seconds to wait when calls are too fast.
        self._ending: list[tuple[float, str, str]] = []
        self.verdicts: dict[str, float] = {}

    @property
    def next_end(self) -> float | None:
        """Return when the next completion comes, by ``time.time``; ``None`` when nothing runs."""
        return self._ending[0][0] if self._ending else None

    def start(self, video: Video) -> None:
        """Start a job; raises SlotsExhausted."""
        while True:
            try:
                job_id = self._rekognition.start(
                    Location(bucket=self._bucket, key=video.key),
                    min_confidence=0.0,
                    token=ids.request_token(video.id, 1),
                    tag=video.id,
                )
            except errors.AnalysisUnavailable:
                time.sleep(self._pause)
            else:
                heapq.heappush(self._ending, (time.time() + video.seconds, video.id, job_id))
                return

    def complete(self) -> str:
        """Wait for the next completion and return its video."""
        end, video_id, job_id = heapq.heappop(self._ending)
        time.sleep(max(0.0, end - time.time()))
        while not self._done(job_id):
            time.sleep(self._pause)
        return video_id

    def decide(self, video_id: str) -> None:
        """Note that a video is judged."""
        self.verdicts[video_id] = time.time()

    def _done(self, job_id: str) -> bool:
        try:
            return self._rekognition.look(job_id).done
        except errors.AnalysisUnavailable:
            return False


def periodic(desk: Desk, videos: Sequence[Video], *, period: float) -> None:
    """Wake every so often and submit until refused."""
    waiting = deque(videos)
    wake = time.time()
    while waiting or desk.next_end is not None:
        if waiting and (desk.next_end is None or wake <= desk.next_end):
            time.sleep(max(0.0, wake - time.time()))
            _submit(desk, waiting)
            wake += period
        else:
            desk.decide(desk.complete())


def on_completion(desk: Desk, videos: Sequence[Video], *, slots: int, seed: int = 1) -> None:
    """Start the oldest whenever a completion comes; a lost one keeps its slot, and its video waits for a day."""
    rng = random.Random(seed)
    waiting = deque(videos)
    for _ in range(min(slots, len(waiting))):
        desk.start(waiting.popleft())
    while desk.next_end is not None:
        video_id = desk.complete()
        if rng.random() < LOST:
            continue
        desk.decide(video_id)
        if waiting:
            desk.start(waiting.popleft())


def _submit(desk: Desk, waiting: deque[Video]) -> None:
    while waiting:
        try:
            desk.start(waiting[0])
        except errors.SlotsExhausted:
            return
        waiting.popleft()
