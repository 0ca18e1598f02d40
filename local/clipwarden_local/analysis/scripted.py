"""Analysis by a script: what a video shows, how long its job takes and how it goes wrong are all told beforehand.

A script is JSON. A video's own is looked for in the user metadata of its object (``script``), then in the object
beside it (``KEY.script.json``); without one the default applies.
"""

import json
from threading import Lock
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clipwarden_local.analysis.analyser import WEEK_SECONDS, Foreseen, Report, StoredVideo
from clipwarden_local.analysis.objects import Objects
from clipwarden_local.analysis.outcome import Analysis, Failure, Observation, VideoMetadata, with_parents

_METADATA_KEY = "script"
_SIDECAR_SUFFIX = ".script.json"


class ScriptedLabel(BaseModel):
    """A category that a video shows at one moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: int = Field(default=0, ge=0)
    """Milliseconds from the start of the video."""
    path: Annotated[tuple[str, ...], Field(min_length=1, max_length=3)]
    """Names from the top level down; the levels above are reported too."""
    confidence: float = Field(default=90.0, ge=0, le=100)
    """0-100."""


class Script(BaseModel):
    """What becomes of a job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float = Field(default=0.0, ge=0)
    """From the start of the job to its end."""
    labels: tuple[ScriptedLabel, ...] = ()
    """What the video shows."""
    times: int = Field(default=1, ge=1, le=100_000)
    """How often the labels are shown, one sample later each time."""
    failure: str | None = None
    """Status message with which the job fails instead."""
    model_version: str = "7.0"
    """Version of the model that the result names; 6.x results carry no levels."""
    metadata: dict[str, Any] = {}
    """Facts of the file that differ from a ten-second 720p clip's."""
    sample_ms: int = Field(default=500, ge=1)
    """Time between two samples."""
    page_size: int | None = Field(default=None, ge=1)
    """Labels on a page at most: a small one cuts between a child and its parent."""
    completions: int = Field(default=1, ge=0)
    """How often the completion is published: 0 loses it, 2 doubles it."""
    kept_seconds: float = Field(default=WEEK_SECONDS, ge=0)
    """How long the result can be read."""

    def foreseen(self) -> Foreseen:
        """Return the job's whole future."""
        return Foreseen(
            outcome=Failure(status_message=self.failure) if self.failure is not None else self._analysis(),
            seconds=self.seconds,
            page_size=self.page_size,
            completions=self.completions,
            kept_seconds=self.kept_seconds,
        )

    def _analysis(self) -> Analysis:
        shown = (
            Observation(timestamp_ms=label.at + turn * self.sample_ms, path=label.path, confidence=label.confidence)
            for turn in range(self.times)
            for label in self.labels
        )
        return Analysis(
            observations=with_parents(shown),
            metadata=VideoMetadata(**self.metadata),
            model_version=self.model_version,
            sample_ms=self.sample_ms,
        )


class ScriptedAnalyser:
    """Does what the script says, at no cost: a job's end is a time, not a thread."""

    name = "scripted"

    def __init__(self, objects: Objects, default: Script | None = None) -> None:
        self._objects = objects
        self._lock = Lock()
        self.tell(default or Script())

    def tell(self, default: Script) -> None:
        """Replace the script of all videos without one of their own, for jobs from now on."""
        foreseen = default.foreseen()
        with self._lock:
            self._default = foreseen

    def foresee(self, video: StoredVideo) -> Foreseen:
        """Return the future that the video's script describes; an unreadable script is a failed job."""
        text = video.metadata.get(_METADATA_KEY) or self._objects.read(video, suffix=_SIDECAR_SUFFIX)
        if text is None:
            with self._lock:
                return self._default
        try:
            return Script.model_validate(json.loads(text)).foreseen()
        except (ValidationError, ValueError, TypeError) as error:
            return Foreseen(outcome=Failure(status_message=f"The script cannot be read: {error}"))

    def begin(self, job_id: str, video: StoredVideo, report: Report) -> None:
        """Do nothing: every scripted job is foreseen."""

    def close(self) -> None:
        """Do nothing: nothing runs."""
