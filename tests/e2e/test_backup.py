"""An installation is backed up while it works, is lost, and goes on from its backup: by the commands of the page."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudinary.api
import pytest
from cryptography.fernet import Fernet

import scripting
from clipwarden.client import Client
from clipwarden.media.opening import open_store
from clipwarden.moderation import Location, Moderation, Placement, Stage, Status
from clipwarden.store import assets, moderations, pools
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import read, write
from clipwarden_local.ports import free_port
from clipwarden_local.receiver import Receiver
from clipwarden_local.stack import REGION, Options, Stack
from fixtures.clips import Clips
from fixtures.postgres import Server
from living import family_of, runs
from viewing import seen_at
from waiting import eventually

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "back-up.md"
#: What a block names that is for the other database.
OTHERS = {"sqlite": re.compile(r"pg_"), "postgresql": re.compile(r"sqlite|clipwarden\.db")}
NUDE = {"seconds": 3, "labels": [{"at": 0, "path": ["Explicit", "Explicit Nudity"], "confidence": 99}]}
SETTINGS = {
    "CLIPWARDEN_CALLBACK__SCHEDULE": ",".join(["1"] * 100),
    "CLIPWARDEN_REKOGNITION__REUSE_WINDOW": "0",
    "CLIPWARDEN_REKOGNITION__SLOTS": "20",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database of one kind, which does not exist yet."""

    backend: str
    name: str  #: What ``$DATABASE`` says.
    environment: dict[str, str]  #: The settings by which an installation finds it, and opens its secrets.
    programs: Path | None = None  #: Where its own are.
    create: Callable[[], None]
    destroy: Callable[[], None]


@dataclass(slots=True, kw_only=True)
class Installation:
    """An installation, and what a person at its shell has."""

    options: Options
    database: Database
    shell: dict[str, str]
    stack: Stack = field(init=False)

    def start(self) -> None:
        """Start all of its processes."""
        self.stack = Stack(self.options, report=print)
        self.stack.__enter__()

    def stop(self) -> None:
        """End all of its processes, and see that they have ended."""
        children = [child.process for child in self.stack.supervisor.children if child.process is not None]
        family = set().union(*(family_of(child.pid) for child in children))
        assert len(family) >= len(children) > 0
        self.stack.close()
        eventually(lambda: not any(map(runs, family)))

    def lose(self) -> None:
        """Destroy what a backup is for: the database, the media and Redis. AWS is elsewhere, and has its jobs."""
        self.database.destroy()
        self.database.create()
        shutil.rmtree(self.shell["MEDIA"])
        shutil.rmtree(self.options.data / "redis")

    def blocks(self, section: str) -> list[str]:
        """Return the commands of a section that are for this database, block by block."""
        (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
        found = re.findall(r"^ *```sh\n.*?```", text, re.DOTALL | re.MULTILINE)
        blocks = [textwrap.dedent(block).removeprefix("```sh\n").removesuffix("```") for block in found]
        return [block for block in blocks if not OTHERS[self.database.backend].search(block)]

    def type(self, block: str) -> str:
        """Run a block as somebody who types it; it may not fail."""
        env = os.environ | self.stack.environment() | self.shell
        argv = ["sh", "-euc", block]
        result = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{block}\n{result.stdout}{result.stderr}"
        return result.stdout

    def submit(self, clip: Path, url: str) -> str:
        """Bring a video in and ask for its moderation; it is called as its file is."""
        media = self.stack.settings().media
        target = Location(bucket=media.bucket, key=f"in/{clip.name}")
        with clip.open("rb") as stream:
            open_store(media).put(target, stream)
        with Client(self.stack.redis_url) as client:
            return client.enqueue(str(target), notification_url=url, public_id=clip.stem)

    def get(self, moderation_id: str) -> tuple[Moderation, Placement] | None:
        """Return a moderation, and where its video is."""
        with self.stack.engine() as engine, read(engine) as conn:
            moderation = moderations.by_id(conn, moderation_id)
            asset = assets.by_id(conn, moderation.asset_id) if moderation is not None else None
        return (moderation, asset.placed) if moderation is not None and asset is not None else None

    def comes_to(self, moderation_id: str, stage: Stage) -> None:
        """Wait until a moderation is in a stage."""

        def reached() -> bool:
            self.stack.supervisor.tend()
            found = self.get(moderation_id)
            return found is not None and found[0].stage is stage

        eventually(reached, within=60, every=0.1, message=f"{moderation_id} did not come to {stage}")

    def is_quarantined(self, moderation_id: str) -> None:
        """Wait until a moderation has ended in a rejection, and its video has left the library."""

        def rejected() -> bool:
            self.stack.supervisor.tend()
            found = self.get(moderation_id)
            return found is not None and (found[0].status, found[1]) == (Status.REJECTED, Placement.QUARANTINE)

        eventually(rejected, within=60, every=0.1, message=f"{moderation_id} was not rejected and moved")

    def slots(self, number: int) -> None:
        """Have so many slots, until workers start anew and read how many there are."""
        with self.stack.engine() as engine, write(engine) as conn:
            pools.ensure(conn, REGION, number, DatabaseClock(engine).now())

    def delivered(self, name: str) -> bytes | None:
        """Return what viewers of a video get, ``None`` where they get nothing."""
        ask: Any = cloudinary.api.resource
        kept = self.stack.secrets()
        cloud = {"cloud_name": "default", "api_key": kept.api_key, "api_secret": kept.api_secret}
        url = ask(name, resource_type="video", upload_prefix=self.stack.gateway_url, **cloud)["secure_url"]
        return seen_at(url)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Database:
    def destroy() -> None:
        for each in (tmp_path / "data").glob("clipwarden.db*"):
            each.unlink()

    file = str(tmp_path / "data" / "clipwarden.db")
    return Database(backend="sqlite", name=file, environment={}, create=lambda: None, destroy=destroy)


@pytest.fixture
def postgresql_database(postgres: Server) -> Iterator[Database]:
    name = f"backed_up_{uuid.uuid4().hex}"
    environment = {
        "CLIPWARDEN_DATABASE__SECRET_KEYS": Fernet.generate_key().decode(),
        "CLIPWARDEN_DATABASE__URL": postgres.url(name),
    }
    database = Database(
        backend="postgresql",
        name=postgres.url(name).replace("+psycopg", ""),
        environment=environment,
        programs=postgres.binaries,
        create=lambda: postgres.execute(f"CREATE DATABASE {name}"),
        destroy=lambda: postgres.execute(f"DROP DATABASE {name} WITH (FORCE)"),
    )
    database.create()
    yield database
    database.destroy()


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """Run an installation for the time of a test; the test may end it, and start another."""
    database: Database = request.getfixturevalue(f"{request.param}_database")
    options = Options(
        data=tmp_path / "data",
        analyser="scripted",
        lease=3,
        environment=tuple((SETTINGS | database.environment).items()),
        endpoint=("--start-rate", "0", "--get-rate", "0"),
        log_level="error",
    )
    made = Installation(options=options, database=database, shell=_shell(tmp_path, database))
    made.start()
    yield made
    made.stack.close()


def _shell(folder: Path, database: Database) -> dict[str, str]:
    """Return what the page's commands are given."""
    for name in ("backup", "keys"):
        (folder / name).mkdir()
    path = [Path(sys.executable).parent, database.programs, os.environ["PATH"]]
    return {
        "DATABASE": database.name,
        "MEDIA": str(folder / "data" / "media"),
        "BACKUP": str(folder / "backup"),
        "KEYS": str(folder / "keys"),
        "PATH": os.pathsep.join(str(part) for part in path if part),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What stands where when the backup begins: ended, running, and waiting for a slot."""

    judged: str
    running: str
    waiting: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.judged, self.running, self.waiting))


@pytest.mark.timeout(600)
def test_a_lost_installation_goes_on_from_its_backup(installation: Installation, clips: Clips) -> None:
    receiver = Receiver(secret=installation.stack.secrets().api_secret, port=free_port())
    begun = _begin(installation, clips, receiver.url)
    _back_up(installation, begun)
    jobs = scripting.journal(installation.stack.endpoint_url)["jobs"]
    installation.stop()
    installation.lose()
    for block in installation.blocks("Restore"):
        installation.type(block)
    # Until now nobody was there to take callbacks: all of them are told by what was restored.
    with receiver:
        installation.start()
        checking, override = installation.blocks("Check")
        installation.type(checking)
        for one in begun:
            installation.is_quarantined(one)
            assert receiver.wait_for(one, within=90).verified
        assert scripting.journal(installation.stack.endpoint_url)["jobs"] == jobs == 3
        for one, clip in ((begun.judged, "plain"), (begun.waiting, "mov")):
            installation.type(override.replace(" ID ", f" {one} "))
            _is_given_back(installation, receiver, one, clips(clip))


def _begin(installation: Installation, clips: Clips, url: str) -> Begun:
    scripting.order(installation.stack.endpoint_url, script=NUDE)
    judged = installation.submit(clips("plain"), url)
    installation.is_quarantined(judged)
    running = installation.submit(clips("rotated"), url)
    installation.comes_to(running, Stage.ANALYSING)
    installation.slots(0)
    waiting = installation.submit(clips("mov"), url)
    installation.comes_to(waiting, Stage.QUEUED)
    return Begun(judged=judged, running=running, waiting=waiting)


def _back_up(installation: Installation, begun: Begun) -> None:
    database, *others = installation.blocks("Back up")
    installation.type(database)
    # From here on nothing is in the database's copy: verdicts are reached, and bytes moved before they are copied.
    installation.slots(20)
    for one in (begun.running, begun.waiting):
        installation.is_quarantined(one)
    for block in others:
        installation.type(block)


def _is_given_back(installation: Installation, receiver: Receiver, moderation_id: str, clip: Path) -> None:
    """Wait until viewers get a video's bytes again, and its receiver was told."""
    eventually(lambda: installation.delivered(clip.stem) == clip.read_bytes(), within=60, every=0.2)

    def told() -> bool:
        said = [one for one in receiver.received if one.moderation_id == moderation_id and one.verified]
        return any(one.payload["moderation_status"] == "approved" for one in said)

    eventually(told, within=60)
