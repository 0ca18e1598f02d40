"""What one writes in an afternoon: an actor that starts a job, retried with backoff when there is no slot, and polls.

``python -m bench.afternoon COMPRESSION`` works as one such process, on stock Dramatiq with its backoff of 15 s,
doubling up to five minutes, without end; it is looked every 10 s whether a job has ended. All waits are compressed.
"""

import logging
import sys
import threading
import time
from collections.abc import Sequence

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries

from bench.workload import Video
from clipwarden import ids
from clipwarden.moderation import Location
from clipwarden.settings import Settings
from clipwarden_workers.rekognition import Rekognition

#: Where the times of verdicts are noted, by video.
VERDICTS = "bench:verdicts"
_FIRST_BACKOFF, _LONGEST_BACKOFF, _POLL = 15.0, 300.0, 10.0
_NAMESPACE, _QUEUE = "bench", "videos"


class Afternoon:
    """The two actors on one broker."""

    def __init__(self, settings: Settings, compression: float) -> None:
        url = settings.redis.url.get_secret_value()
        self._rekognition = Rekognition(settings.rekognition)
        self._bucket = settings.media.bucket
        self._redis = redis.Redis.from_url(url)
        self._poll_ms = int(_POLL / compression * 1000)
        self.broker = RedisBroker(url=url, namespace=_NAMESPACE, middleware=[_retries(compression)])  # type: ignore[no-untyped-call] # Dramatiq's gap
        self._start = dramatiq.Actor(
            self.start, broker=self.broker, actor_name="start", queue_name=_QUEUE, priority=0, options={}
        )
        self._poll = dramatiq.Actor(
            self.poll, broker=self.broker, actor_name="poll", queue_name=_QUEUE, priority=0, options={}
        )

    def submit(self, videos: Sequence[Video]) -> None:
        """Send every video its message."""
        for video in videos:
            self._start.send(video.id, video.key)

    def start(self, video_id: str, key: str) -> None:
        """Start the job; a refusal is an exception like any other, and retried."""
        place = Location(bucket=self._bucket, key=key)
        token = ids.request_token(video_id, 1)
        job_id = self._rekognition.start(place, min_confidence=0.0, token=token, tag=video_id)
        self._poll.send_with_options(args=(video_id, job_id), delay=self._poll_ms)

    def poll(self, video_id: str, job_id: str) -> None:
        """Look, and look again later."""
        if self._rekognition.look(job_id).done:
            self._redis.hset(VERDICTS, video_id, str(time.time()))
        else:
            self._poll.send_with_options(args=(video_id, job_id), delay=self._poll_ms)


def verdicts(url: str) -> dict[str, float]:
    """Return the times of verdicts by video."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return {video_id: float(at) for video_id, at in client.hgetall(VERDICTS).items()}


def _retries(compression: float) -> Retries:
    first, longest = (int(seconds / compression * 1000) for seconds in (_FIRST_BACKOFF, _LONGEST_BACKOFF))
    return Retries(max_retries=None, min_backoff=first, max_backoff=longest)  # type: ignore[arg-type] # None is no limit


def main() -> None:
    """Work until terminated."""
    logging.disable()
    afternoon = Afternoon(Settings(), float(sys.argv[1]))
    dramatiq.Worker(afternoon.broker, worker_threads=8, worker_timeout=50).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
