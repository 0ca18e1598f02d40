"""Labels as Rekognition reports them, and policies by their settings alone."""

from typing import Any

from clipwarden.policy import Policy


def label(name: str, parent: str, confidence: float, timestamp_ms: int = 0, level: int | None = None) -> dict[str, Any]:
    """Return an element of GetContentModeration's ModerationLabels, as boto3 gives it."""
    told = {} if level is None else {"TaxonomyLevel": level}
    return {
        "Timestamp": timestamp_ms,
        "ModerationLabel": {"Confidence": confidence, "Name": name, "ParentName": parent, **told},
    }


def policy(setting: str = "") -> Policy:
    """Return the policy with these settings."""
    return Policy.parse(f"aws_rek_video:{setting}" if setting else "aws_rek_video")
