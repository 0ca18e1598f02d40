"""The port behind which videos are analysed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from clipwarden_local.analysis.outcome import Outcome

#: Results are kept for seven days (https://docs.aws.amazon.com/rekognition/latest/dg/limits.html).
WEEK_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVideo:
    """The object that a job is about, as it was found when the job was accepted."""

    bucket: str
    key: str
    version: str | None
    region: str
    size: int  #: Bytes.
    metadata: Mapping[str, str] = field(default_factory=dict)  #: User metadata of the object.


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What is known of a job before it runs; without an outcome nothing but the defaults."""

    outcome: Outcome | None = None
    seconds: float = 0.0  #: From the start of the job to its end; meaningful with an outcome.
    page_size: int | None = None  #: Labels on one page of the result at most, whatever was asked for.
    completions: int = 1  #: How often the completion is published.
    kept_seconds: float = WEEK_SECONDS  #: How long the result can be read.


#: Called with a job's id and outcome when a job that was not foreseen has ended.
Report = Callable[[str, Outcome], None]


class Analyser(Protocol):
    """Whatever finds out what a video shows."""

    @property
    def name(self) -> str:
        """What answers name as their source."""
        ...

    def foresee(self, video: StoredVideo) -> Foreseen:
        """Return what is known before the job is accepted."""
        ...

    def begin(self, job_id: str, video: StoredVideo, report: Report) -> None:
        """Take on an accepted job whose outcome was not foreseen; ``report`` is called once, from any thread."""
        ...

    def close(self) -> None:
        """End whatever still runs, without reporting it."""
        ...
