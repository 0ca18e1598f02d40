"""What an analysis comes to, and the one text form in which processes and the job book pass it on."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

#: The model never claims certainty, nor does anything here.
HIGHEST_CONFIDENCE = 99.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One category seen at one moment."""

    timestamp_ms: int
    path: tuple[str, ...]  #: Names from the top level down to the category itself.
    confidence: float  #: 0-100.


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoMetadata:
    """What is reported of the file itself, once an analysis has succeeded."""

    codec: str = "h264"
    duration_ms: int = 10_000
    format: str = "QuickTime / MOV"
    frame_rate: float = 30.0
    frame_width: int = 1280
    frame_height: int = 720
    color_range: str = "LIMITED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """An analysis that came to an end."""

    observations: tuple[Observation, ...]
    metadata: VideoMetadata
    model_version: str
    sample_ms: int = 500  #: Time between two samples; runs of a label with longer gaps are two segments.


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An analysis that could not be made."""

    status_message: str


Outcome = Analysis | Failure


def with_parents(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """Return one observation per level and moment, each parent at least as sure as its surest child.

    Ordered by time and, within a moment, from the deepest level up: as Rekognition lists them.
    """
    surest: dict[tuple[int, tuple[str, ...]], float] = {}
    for seen in observations:
        for depth in range(1, len(seen.path) + 1):
            at = (seen.timestamp_ms, seen.path[:depth])
            surest[at] = max(surest.get(at, 0.0), min(seen.confidence, HIGHEST_CONFIDENCE))
    order = sorted(surest, key=lambda at: (at[0], -len(at[1]), at[1]))
    return tuple(Observation(timestamp_ms=at[0], path=at[1], confidence=surest[at]) for at in order)


def encode(outcome: Outcome) -> str:
    """Return the outcome as JSON on one line."""
    if isinstance(outcome, Failure):
        return json.dumps({"failure": outcome.status_message})
    seen = [(one.timestamp_ms, one.path, one.confidence) for one in outcome.observations]
    return json.dumps(
        {
            "observations": seen,
            "metadata": asdict(outcome.metadata),
            "model_version": outcome.model_version,
            "sample_ms": outcome.sample_ms,
        },
        separators=(",", ":"),
    )


def decode(text: str | bytes) -> Outcome:
    """Return the outcome that ``encode`` wrote."""
    document: dict[str, Any] = json.loads(text)
    if "failure" in document:
        return Failure(status_message=document["failure"])
    return Analysis(
        observations=tuple(
            Observation(timestamp_ms=at, path=tuple(path), confidence=confidence)
            for at, path, confidence in document["observations"]
        ),
        metadata=VideoMetadata(**document["metadata"]),
        model_version=document["model_version"],
        sample_ms=document["sample_ms"],
    )
