"""Several pools: each video goes to one that reads its bucket, a new one to the pool that will be free first."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clipwarden.client import Client
from clipwarden.moderation import Location, Moderation, Stage, Status
from clipwarden.settings import Settings
from clipwarden.store import moderations, pools
from clipwarden.store.engine import read
from clipwarden_local.analysis.objects import FolderObjects
from clipwarden_local.analysis.scripted import Script, ScriptedAnalyser
from clipwarden_local.endpoint.endpoint import Endpoint, Limits
from clipwarden_local.endpoint.faults import Fault
from clipwarden_workers.services import Services
from fixtures.clips import Clips
from fixtures.pipeline import running_services
from waiting import eventually


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Two endpoints as of two quotas, and a worker that fills both."""

    services: Services
    endpoints: dict[str, Endpoint]
    client: Client
    clips: Clips

    def put(self, bucket: str, key: str = "clip.mp4") -> str:
        location = Location(bucket=bucket, key=key)
        with self.clips("plain").open("rb") as stream:
            self.services.media.put(location, stream)
        return str(location)

    def get(self, id: str) -> Moderation | None:
        with read(self.services.engine) as conn:
            return moderations.by_id(conn, id)

    def decided(self, id: str) -> Moderation:
        def ended() -> Moderation | None:
            found = self.get(id)
            return found if found and found.stage is Stage.DECIDED else None

        found = eventually(ended, within=20)
        assert found is not None
        return found


@pytest.fixture
def region(
    pipeline_settings: dict[str, dict[str, Any]], tmp_path: Path, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Region]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    root = pipeline_settings["media"]["root"]
    for bucket in ("clips-a", "clips-b", "stray"):
        (root / bucket).mkdir(parents=True)
    objects = FolderObjects(root)
    with ExitStack() as running:
        endpoints = {
            name: running.enter_context(
                Endpoint(
                    data=tmp_path / name,
                    objects=objects,
                    analyser=ScriptedAnalyser(objects, Script()),
                    limits=Limits(start_rate=0, get_rate=0),
                )
            )
            for name in ("a", "b")
        }
        quota = {name: pipeline_settings["rekognition"].pop(name) for name in ("region", "start_rate", "get_rate")} | {
            "slots": 2
        }
        named = {
            name: {**quota, "endpoint_url": endpoint.url, "buckets": [f"clips-{name}"]}
            for name, endpoint in endpoints.items()
        }
        media = pipeline_settings["media"] | {"import_roots": [clips("plain").parent]}
        settings = Settings.model_validate(pipeline_settings | {"pools": named, "media": media})
        services = running_services(running, settings)
        client = running.enter_context(Client(pipeline_settings["redis"]["url"]))
        yield Region(services=services, endpoints=endpoints, client=client, clips=clips)


def _jobs(region: Region) -> dict[str, int]:
    return {name: endpoint.journal.summary()["jobs"] for name, endpoint in region.endpoints.items()}


def test_a_video_goes_to_the_pool_that_reads_its_bucket(region: Region) -> None:
    ids = [region.client.enqueue(region.put(bucket)) for bucket in ("clips-a", "clips-b", "clips-b")]
    ended = [region.decided(id) for id in ids]
    assert [(row.status, row.pool) for row in ended] == [
        (Status.APPROVED, "a"),
        (Status.APPROVED, "b"),
        (Status.APPROVED, "b"),
    ]
    assert _jobs(region) == {"a": 1, "b": 2}


def test_a_video_in_a_bucket_that_no_pool_reads_is_refused_before_any_paid_call(region: Region) -> None:
    moderation = region.decided(region.client.enqueue(region.put("stray")))
    assert moderation.status is Status.ABORTED
    assert "no pool reads bucket stray" in (moderation.error_reason or "")
    assert _jobs(region) == {"a": 0, "b": 0}


def test_new_videos_go_to_the_pool_that_will_be_free_first(region: Region) -> None:
    for endpoint in region.endpoints.values():
        endpoint.tell(Script(seconds=3600))
    for number in range(3):
        region.client.enqueue(region.put("clips-a", f"{number}.mp4"))
    eventually(lambda: _jobs(region) == {"a": 2, "b": 0})
    id = region.client.enqueue(region.clips("plain").as_uri())
    eventually(lambda: _jobs(region) == {"a": 2, "b": 1})
    found = region.get(id)
    assert found is not None
    assert found.pool == "b"


def test_a_pool_whose_calls_are_throttled_slows_down_and_the_other_does_not(region: Region) -> None:
    region.endpoints["a"].faults.tell(Fault(operation="StartContentModeration", error="ThrottlingException"))
    for bucket in ("clips-a", "clips-b"):
        assert region.decided(region.client.enqueue(region.put(bucket))).status is Status.APPROVED
    slowed = {pool.name: pool.start_slowed_to for pool in _pools(region)}
    assert slowed == {"a": 0.5, "b": None}


def _pools(region: Region) -> list[pools.Pool]:
    with read(region.services.engine) as conn:
        return pools.every(conn)
