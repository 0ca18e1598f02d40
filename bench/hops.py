"""How long an idle stack takes to bring one video through all hops, beyond the job's own time.

``python -m bench.hops`` starts the real stack (Redis, scripted endpoint, one worker process) and enqueues one video at
a time; it prints JSON: seconds from enqueueing to the verdict and to the callback, less the job's own time.
"""

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clipwarden import Client
from clipwarden.media.opening import open_store
from clipwarden.moderation import Location, Moderation, Stage
from clipwarden_local.demo import samples
from clipwarden_local.receiver import Receiver
from clipwarden_local.stack import Options, Stack


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.hops", description=__doc__)
    parser.add_argument("--videos", type=int, default=30, help="default 30")
    parser.add_argument("--job-seconds", type=float, default=0.5, help="the scripted job's own time; default 0.5")
    parser.add_argument("--bus", default="", metavar="URL", help="RabbitMQ, instead of the stack's own Redis")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(_measure(Path(folder), arguments.videos, arguments.job_seconds, arguments.bus), indent=2))


def _measure(folder: Path, videos: int, job_seconds: float, bus: str) -> dict[str, Any]:
    # The first look falls on the job's end, as it does once a pool has learned how long jobs take.
    told = (("CLIPWARDEN_REKOGNITION__FIRST_LOOK", str(job_seconds)), ("CLIPWARDEN_BUS__URL", bus))
    options = Options(data=folder, analyser="scripted", log_level="error", environment=told)
    stack = Stack(options, report=lambda _: None)
    with Receiver(secret=stack.secrets().api_secret) as receiver, stack:
        _script(stack, job_seconds)
        database = stack.settings().database.url.get_secret_value()
        with Client(bus or stack.redis_url, database_url=database) as client:
            runs = [_run(stack, client, receiver, number, job_seconds) for number in range(videos + 1)][1:]
    return {
        "videos": videos,
        "job_seconds": job_seconds,
        "to_verdict_beyond_job": _summary([run[0] for run in runs]),
        "to_callback_beyond_job": _summary([run[1] for run in runs]),
    }


def _run(stack: Stack, client: Client, receiver: Receiver, number: int, job_seconds: float) -> tuple[float, float]:
    media = stack.settings().media
    target = Location(bucket=media.bucket, key=f"bench/{number}.mp4")
    with samples()[1].open("rb") as stream:
        open_store(media).put(target, stream)
    began = datetime.now(UTC)
    moderation_id = client.enqueue(str(target), notification_url=receiver.url)
    callback = receiver.wait_for(moderation_id, within=30)
    told = datetime.now(UTC)
    if callback is None:
        raise SystemExit("no callback came within 30 s")
    decided = _decided(client, moderation_id)
    if decided.decided_at is None:
        raise SystemExit(f"not decided: {decided}")
    beyond = (decided.decided_at - began).total_seconds() - job_seconds
    return beyond, (told - began).total_seconds() - job_seconds


def _decided(client: Client, moderation_id: str) -> Moderation:
    end = time.monotonic() + 30
    while (moderation := client.get(moderation_id)).stage is not Stage.DECIDED:
        if time.monotonic() > end:
            raise SystemExit("no verdict came within 30 s")
        time.sleep(0.01)
    return moderation


def _script(stack: Stack, seconds: float) -> None:
    body = json.dumps({"script": {"seconds": seconds}}).encode()
    request = urllib.request.Request(f"{stack.endpoint_url}/_script", body, method="PUT")
    with urllib.request.urlopen(request, timeout=5):
        pass


def _summary(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median_s": round(statistics.median(ordered), 3),
        "p90_s": round(ordered[int(0.9 * (len(ordered) - 1))], 3),
        "max_s": round(ordered[-1], 3),
    }


if __name__ == "__main__":
    main()
