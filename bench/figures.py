"""What one strategy made of the slots, read from the endpoint's journal and the times of the verdicts."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.site import SLOTS
from bench.workload import Video, list_schedule

_START, _GET = "StartContentModeration", "GetContentModeration"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFigures:
    """How full the slots were and what that took."""

    strategy: str
    videos: int
    never_decided: int
    utilisation: float  #: Slot-seconds used / (slots x time until the last admission); of all clients together.
    makespan_to_list_schedule: float  #: 1.0: every job began the moment a slot was free.
    starts_refused: int  #: For want of a slot.
    starts_throttled: int  #: For want of rate.
    gets_per_job: float
    delay_median: float  #: From a job's end to its verdict, as a share of the job's time.
    delay_p99: float
    delay_median_s: float  #: The same in seconds of the real service.
    redis_peak_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    began: float
    seconds: float

    @property
    def ended(self) -> float:
        return self.began + self.seconds


def measure(
    strategy: str,
    wanted: Sequence[Video],
    *,
    calls: Sequence[Mapping[str, Any]],
    verdicts: Mapping[str, float],
    foreign: Mapping[str, float],
    redis_peak_mb: float,
    compression: float,
) -> SlotFigures:
    """Return the figures; ``verdicts`` are times by video, ``foreign`` the job seconds of others by request token."""
    known = {video.id: video for video in wanted}
    starts = [call for call in calls if call["operation"] == _START]
    own = [call for call in starts if call["token"] not in foreign]
    jobs = {
        _video(call): _Job(began=call["at"], seconds=known[_video(call)].seconds) for call in own if not call["error"]
    }
    others = [
        _Job(began=call["at"], seconds=foreign[call["token"]])
        for call in starts
        if call["token"] in foreign and not call["error"]
    ]
    begin, last = own[0]["at"], max(job.began for job in jobs.values())
    late = [(verdicts[id_] - job.ended, job.seconds) for id_, job in jobs.items() if id_ in verdicts]
    delays = sorted(delay / seconds for delay, seconds in late)
    return SlotFigures(
        strategy=strategy,
        videos=len(wanted),
        never_decided=len(wanted) - len(verdicts),
        utilisation=round(_used([*jobs.values(), *others], begin, last) / (SLOTS * (last - begin)), 3),
        makespan_to_list_schedule=round(
            (max(job.ended for job in jobs.values()) - begin) / list_schedule(wanted, SLOTS), 3
        ),
        starts_refused=_count(own, "LimitExceededException"),
        starts_throttled=_count(own, "ProvisionedThroughputExceededException"),
        gets_per_job=round(sum(call["operation"] == _GET for call in calls) / len(jobs), 2),
        delay_median=round(statistics.median(delays), 3),
        delay_p99=round(delays[int(0.99 * (len(delays) - 1))], 3),
        delay_median_s=round(statistics.median(delay for delay, _ in late) * compression, 1),
        redis_peak_mb=redis_peak_mb,
    )


def _video(call: Mapping[str, Any]) -> str:
    """Return the id in a request token, ``cw-ID-ATTEMPT``."""
    return str(call["token"]).removeprefix("cw-").rpartition("-")[0]


def _used(jobs: Sequence[_Job], begin: float, end: float) -> float:
    return sum(max(0.0, min(job.ended, end) - max(job.began, begin)) for job in jobs)


def _count(calls: Sequence[Mapping[str, Any]], error: str) -> int:
    return sum(call["error"] == error for call in calls)
