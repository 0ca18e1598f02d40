"""The bodies of GetContentModeration's answers."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from clipwarden_local.analysis.outcome import Analysis, Failure, Observation, VideoMetadata
from clipwarden_local.endpoint.jobs import Job
from clipwarden_local.endpoint.pagination import Pages

_MOST_RESULTS = 1000


def reply(job: Job, parameters: dict[str, Any], pages: Pages) -> dict[str, Any]:
    """Return the page of the job's result that the parameters ask for; raises InvalidPaginationToken."""
    sort_by, aggregate_by = parameters.get("SortBy", "TIMESTAMP"), parameters.get("AggregateBy", "TIMESTAMPS")
    body = _head(job) | {"GetRequestMetadata": {"SortBy": sort_by, "AggregateBy": aggregate_by}}
    reading = (job.id, sort_by, aggregate_by)
    token = parameters.get("NextToken")
    offset = pages.offset(token, reading) if token is not None else 0
    if isinstance(job.outcome, Failure):
        return body | {"JobStatus": "FAILED", "StatusMessage": job.outcome.status_message}
    if job.outcome is None:
        return body | {"JobStatus": "IN_PROGRESS"}
    labels = _labels(job.outcome, sort_by, aggregate_by)
    size = min(parameters.get("MaxResults", _MOST_RESULTS), _MOST_RESULTS, job.page_size or _MOST_RESULTS)
    if offset + size < len(labels):
        body["NextToken"] = pages.token(offset + size, reading)
    return body | {
        "JobStatus": "SUCCEEDED",
        "ModerationLabels": labels[offset : offset + size],
        "ModerationModelVersion": job.outcome.model_version,
        "VideoMetadata": _metadata(job.outcome.metadata),
    }


def _head(job: Job) -> dict[str, Any]:
    tag = {"JobTag": job.request["JobTag"]} if "JobTag" in job.request else {}
    return {"JobId": job.id, "Video": job.request["Video"]} | tag


def _labels(analysis: Analysis, sort_by: str, aggregate_by: str) -> list[dict[str, Any]]:
    levels = not analysis.model_version.startswith("6.")
    if aggregate_by == "SEGMENTS":
        labels = [_label(seen, levels=levels) | span for seen, span in _segments(analysis)]
    else:
        labels = [_label(seen, levels=levels) for seen in analysis.observations]
    if sort_by == "NAME":
        labels.sort(key=lambda one: (one["ModerationLabel"]["Name"], -one["ModerationLabel"]["Confidence"]))
    else:
        labels.sort(key=lambda one: one["Timestamp"])
    return labels


def _label(seen: Observation, *, levels: bool) -> dict[str, Any]:
    """Models before 7 knew neither levels nor content types (https://github.com/aws/aws-sdk-ruby/issues/3005)."""
    label: dict[str, Any] = {
        "Confidence": seen.confidence,
        "Name": seen.path[-1],
        "ParentName": seen.path[-2] if len(seen.path) > 1 else "",
    }
    if not levels:
        return {"Timestamp": seen.timestamp_ms, "ModerationLabel": label}
    label["TaxonomyLevel"] = len(seen.path)
    return {"Timestamp": seen.timestamp_ms, "ModerationLabel": label, "ContentTypes": []}


def _segments(analysis: Analysis) -> Iterable[tuple[Observation, dict[str, int]]]:
    """Merge samples of one category that follow each other; a segment is as sure as its surest sample.

    Frames do not fall exactly on the sampling times, hence the half interval of tolerance.
    """
    longest_gap = 1.5 * analysis.sample_ms
    by_path = sorted(analysis.observations, key=lambda seen: (seen.path, seen.timestamp_ms))
    for _, samples in groupby(by_path, key=lambda seen: seen.path):
        run: list[Observation] = []
        for seen in samples:
            if run and seen.timestamp_ms - run[-1].timestamp_ms > longest_gap:
                yield _segment(run, analysis)
                run = []
            run.append(seen)
        yield _segment(run, analysis)


def _segment(run: list[Observation], analysis: Analysis) -> tuple[Observation, dict[str, int]]:
    start = run[0].timestamp_ms
    end = max(run[-1].timestamp_ms, min(run[-1].timestamp_ms + analysis.sample_ms, analysis.metadata.duration_ms))
    surest = max(run, key=lambda seen: seen.confidence)
    seen = Observation(timestamp_ms=start, path=surest.path, confidence=surest.confidence)
    return seen, {"StartTimestampMillis": start, "EndTimestampMillis": end, "DurationMillis": end - start}


def _metadata(metadata: VideoMetadata) -> dict[str, Any]:
    return {
        "Codec": metadata.codec,
        "DurationMillis": metadata.duration_ms,
        "Format": metadata.format,
        "FrameRate": metadata.frame_rate,
        "FrameHeight": metadata.frame_height,
        "FrameWidth": metadata.frame_width,
        "ColorRange": metadata.color_range,
    }
