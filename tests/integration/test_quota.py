"""The pipeline under Rekognition's quotas: AWS's own rates, and slots that others use as well."""

from typing import Any

import boto3
import pytest
from botocore.config import Config

from clipwarden.moderation import Status
from clipwarden_local.analysis.scripted import Script
from clipwarden_local.endpoint import Limits
from fixtures.pipeline import Pipeline


@pytest.fixture
def endpoint_limits() -> Limits:
    """Keep to the rates that AWS grants."""
    return Limits(open_jobs=20, start_rate=5, get_rate=20)


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Know those rates."""
    pipeline_settings["rekognition"] |= {"start_rate": 5, "get_rate": 20}
    return pipeline_settings


def _occupy(pipeline: Pipeline, slots: int) -> None:
    """Start jobs as somebody else would who uses the same quota, and never ends them."""
    pipeline.put(pipeline.clips("plain"), key="foreign.mp4")
    client = boto3.client(
        "rekognition",
        region_name="us-east-1",
        endpoint_url=pipeline.endpoint.url,
        config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
    )
    pipeline.endpoint.tell(Script(seconds=3600))
    for _ in range(slots):
        client.start_content_moderation(Video={"S3Object": {"Bucket": "clipwarden", "Name": "foreign.mp4"}})


def _enqueue(pipeline: Pipeline, videos: int) -> list[str]:
    source = str(pipeline.put(pipeline.clips("plain")))
    return [pipeline.client.enqueue(source, public_id=f"video {number}") for number in range(videos)]


def test_under_the_rates_that_aws_grants_all_videos_reach_a_verdict_with_one_job_each(pipeline: Pipeline) -> None:
    pipeline.endpoint.tell(Script(seconds=0.2))
    for moderation_id in _enqueue(pipeline, 12):
        moderation = pipeline.decided(moderation_id, within=60)
        assert (moderation.status, moderation.attempt) == (Status.APPROVED, 1)
    # A worker that is late may bunch two calls, so that one is throttled and repeated; none is made twice for nothing.
    assert pipeline.endpoint.journal.summary()["results"]["StartContentModeration"]["ok"] == 12


def test_slots_that_others_use_delay_videos_but_lose_or_abort_none(pipeline: Pipeline) -> None:
    _occupy(pipeline, 17)
    pipeline.endpoint.tell(Script(seconds=1))
    for moderation_id in _enqueue(pipeline, 12):
        moderation = pipeline.decided(moderation_id, within=60)
        assert (moderation.status, moderation.attempt) == (Status.APPROVED, 1)
    summary = pipeline.endpoint.journal.summary()
    assert summary["jobs"] == 17 + 12
    assert summary["results"]["StartContentModeration"]["LimitExceededException"] > 0
