"""Processes of the release before work on the schema of this one and of a later one, and beside this one's."""

import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudinary.api
import cloudinary.uploader
import pytest
from sqlalchemy.engine import Engine

import scripting
from clipwarden.media.opening import open_store
from clipwarden.moderation import Location
from clipwarden.processes import Child
from clipwarden.settings import DatabaseSettings
from clipwarden.store import migrating, moderations
from clipwarden.store.engine import create_engine, read
from clipwarden_local.ports import free_port
from clipwarden_local.receiver import Receiver
from clipwarden_local.stack import Options, Stack
from fixtures.clips import Clips
from fixtures.pipeline import SECRET
from releases import PRESENT, Release, expand, previous
from waiting import eventually

# The SDK has no types.
api: Any = cloudinary.api
uploader: Any = cloudinary.uploader

LABELS = [{"at": 0, "path": ["Alcohol", "Alcoholic Beverages"], "confidence": 88}]
#: What is asked for, by the verdict that it comes to.
POLICIES = {"rejected": "aws_rek_video", "approved": "aws_rek_video:alcohol:ignore"}
SETTINGS = {
    "CLIPWARDEN_REKOGNITION__START_RATE": "1000",
    "CLIPWARDEN_REKOGNITION__GET_RATE": "1000",
    "CLIPWARDEN_REKOGNITION__REUSE_WINDOW": "0",
    "CLIPWARDEN_CALLBACK__SCHEDULE": "0.5,0.5,1,1,2,2,5,5",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A stack of the release before, which this release joins, and what is asked of both."""

    stack: Stack
    receiver: Receiver
    engine: Engine
    previous: Release
    clip: Path
    expected: dict[str, str]  #: Verdicts by the videos' names.

    def send(self, release: Release, gateway: str) -> None:
        """Send a video through either door of a release, its message to Redis and its gateway, for either verdict."""
        first, second = POLICIES if len(self.expected) % 4 else reversed(POLICIES)
        message, http = (f"{release.name}-{len(self.expected)}-{door}" for door in ("message", "http"))
        self._enqueue(release, message, POLICIES[first])
        self._upload(gateway, http, POLICIES[second])
        self.expected.update({message: first, http: second})

    def told(self) -> dict[str, str]:
        """Return the verdicts that callbacks have told of."""
        said = [one.payload for one in self.receiver.received if one.verified]
        return {one["public_id"]: one["moderation_status"] for one in said if "moderation_status" in one}

    def settle(self) -> None:
        """Wait until everything sent is decided, rightly, and told."""
        eventually(lambda: self.told() == self.expected, within=90, message=f"{self.expected}, but {self.told()}")
        with read(self.engine) as conn:
            found = moderations.page(conn, limit=100).items
        assert sorted(one.status for one in found) == sorted(self.expected.values())

    def shown(self, gateway: str) -> dict[str, str]:
        """Return the verdicts that a gateway tells of, of all videos."""
        said = [api.resource(name, resource_type="video", **_cloud(gateway)) for name in self.expected]
        return {one["public_id"]: one["moderation"][0]["status"] for one in said}

    def _enqueue(self, release: Release, name: str, policy: str) -> None:
        settings = self.stack.settings().media
        target = Location(bucket=settings.bucket, key=f"in/{name}.mp4")
        with self.clip.open("rb") as stream:
            open_store(settings).put(target, stream)
        asked = ["--moderation", policy, "--notification-url", self.receiver.url, "--public-id", name]
        release.run("enqueue", str(target), *asked, env=self.stack.environment())

    def _upload(self, gateway: str, name: str, policy: str) -> None:
        options = {"moderation": policy, "notification_url": self.receiver.url, "resource_type": "video"}
        answer = uploader.upload(str(self.clip), public_id=name, **options, **_cloud(gateway))
        assert answer["moderation"][0]["status"] == "pending"

    def start_anew(self, *names: str) -> None:
        """End children of the stack, and wait until it has started them again and they answer."""
        for child in self.stack.supervisor.children:
            if child.name in names and child.process is not None:
                child.process.terminate()
                child.process.wait()
        eventually(lambda: self._answers(f"{self.stack.gateway_url}/readyz"), within=60, every=0.2)
        eventually(lambda: self._answers(f"http://127.0.0.1:{self.stack.metrics_port}/readyz"), within=60, every=0.2)

    def join(self) -> str:
        """Start this release's worker and gateway beside the others; return where that answers."""
        port, metrics = free_port(), free_port()
        ports = {"API__PORT": port, "API__METRICS_PORT": free_port(), "WORKER__METRICS_PORT": metrics}
        own = {f"CLIPWARDEN_{name}": str(value) for name, value in ports.items()}
        env = PRESENT.environment(self.stack.environment() | own)
        for command in ("worker", "api"):
            argv = [sys.executable, "-m", "clipwarden.cli", command]
            self.stack.supervisor.start(Child(name=f"present {command}", argv=argv, env=env))
        eventually(lambda: self._answers(f"http://127.0.0.1:{metrics}/readyz"), within=60, every=0.2)
        eventually(lambda: self._answers(f"http://127.0.0.1:{port}/readyz"), within=60, every=0.2)
        return f"http://127.0.0.1:{port}"

    def _answers(self, url: str) -> bool:
        self.stack.supervisor.tend()
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _cloud(gateway: str) -> dict[str, Any]:
    return {"cloud_name": "default", "api_key": "key", "api_secret": SECRET, "upload_prefix": gateway}


@pytest.fixture
def before(tmp_path: Path) -> Release:
    """Return the release before this one."""
    return previous(tmp_path / "previous")


@pytest.fixture
def rollout(
    before: Release, empty_database: DatabaseSettings, tmp_path: Path, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rollout]:
    """Run the release before on a database that it has made."""
    settings = SETTINGS | {"CLIPWARDEN_DATABASE__URL": empty_database.url.get_secret_value()}
    options = Options(
        data=tmp_path / "data",
        api_key="key",
        api_secret=SECRET,
        analyser="scripted",
        lease=3,
        environment=tuple(before.environment(settings).items()),
        endpoint=("--start-rate", "0", "--get-rate", "0"),
        log_level="error",
    )

    def prepare(stack: Stack) -> None:
        before.run("migrate", env=stack.environment())
        before.run("account", "default", "--api-key", "key", "--api-secret", SECRET, env=stack.environment())

    monkeypatch.setattr(Stack, "_prepare_database", prepare)
    stack, engine = Stack(options, report=print), create_engine(empty_database)
    with Receiver(secret=SECRET) as receiver, stack:
        scripting.order(stack.endpoint_url, script={"seconds": 0.5, "labels": LABELS})
        yield Rollout(stack=stack, receiver=receiver, engine=engine, previous=before, clip=clips("plain"), expected={})
    engine.dispose()


WHICH = """
import clipwarden, clipwarden_api, clipwarden_workers
from clipwarden.store import migrating
print(*(module.__file__ for module in (clipwarden, clipwarden_api, clipwarden_workers)), migrating.newest(), sep="\\n")
"""


def test_what_runs_is_the_release_that_was_kept(before: Release, tmp_path: Path) -> None:
    *files, newest = before.python("-c", WHICH, env={}).split()
    assert files
    assert all(Path(file).is_relative_to(tmp_path / "previous") for file in files)
    assert "0021" <= newest <= migrating.newest(), "refresh it: make release-archive, see CONTRIBUTING.md"


@pytest.mark.timeout(400)
def test_a_release_is_rolled_out_while_the_one_before_works(rollout: Rollout) -> None:
    old = rollout.stack.gateway_url
    rollout.send(rollout.previous, old)
    PRESENT.run("migrate", env=rollout.stack.environment())
    expand(rollout.engine)
    rollout.start_anew("workers", "gateway")
    rollout.send(rollout.previous, old)
    rollout.settle()  # By the release before alone.
    new = rollout.join()
    for _ in range(2):
        rollout.send(rollout.previous, old)
        rollout.send(PRESENT, new)
    rollout.settle()  # By both.
    assert rollout.shown(old) == rollout.shown(new) == rollout.expected
