"""A database is backed up while it is worked on, restored beside an empty bus, and ends what it had begun."""

import shutil
import sqlite3
import subprocess
import uuid
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from clipwarden.moderation import Placement, Stage, Status
from clipwarden.settings import Settings
from clipwarden.store import accounts, assets, moderations, pools
from clipwarden.store.engine import read, write
from clipwarden_local.analysis.scripted import Script
from clipwarden_workers.services import Services
from fixtures.pipeline import REGION, SECRET, Pipeline, running_services
from fixtures.postgres import Server
from waiting import eventually

NUDE = [{"at": 0, "path": ["Explicit", "Explicit Nudity"], "confidence": 99}]


def _backed_up(pipeline: Pipeline, request: pytest.FixtureRequest, folder: Path) -> Any:
    """Back the database up as the manual says, and return a function that restores it into a fresh one."""
    url = pipeline.services.engine.url
    if url.get_backend_name() == "sqlite":
        kept = folder / "backup.db"
        with closing(sqlite3.connect(str(url.database))) as there, closing(sqlite3.connect(kept)) as here:
            there.backup(here)
        shutil.copy(f"{url.database}.key", f"{kept}.key")
        return lambda: f"sqlite:///{kept}"
    server: Server = request.getfixturevalue("postgres")
    dump = folder / "clipwarden.dump"
    _run(server, "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={url.database}")

    def restored() -> str:
        name = f"restored_{uuid.uuid4().hex}"
        server.execute(f"CREATE DATABASE {name}")
        request.addfinalizer(lambda: server.execute(f"DROP DATABASE {name} WITH (FORCE)"))
        _run(server, "pg_restore", f"--dbname={name}", str(dump))
        return server.url(name)

    return restored


def _run(server: Server, program: str, *words: str) -> None:
    there = [f"--host={server.folder}", f"--port={server.port}", "--username=postgres"]
    subprocess.run([str(server.binaries / program), *there, *words], check=True, capture_output=True)


def _slots(services: Services, number: int) -> None:
    with write(services.engine) as conn:
        pools.ensure(conn, REGION, number, services.clock.now())


def test_a_restored_database_ends_what_it_had_begun_and_pays_nothing_twice(
    pipeline: Pipeline,
    pipeline_settings: dict[str, dict[str, Any]],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    done = pipeline.submit()
    assert pipeline.decided(done).status is Status.APPROVED
    pipeline.endpoint.tell(Script.model_validate({"labels": NUDE, "seconds": 3}))
    running = pipeline.submit("rotated")
    pipeline.when(running, Stage.ANALYSING)
    _slots(pipeline.services, 0)
    waiting = pipeline.submit("mov")
    pipeline.when(waiting, Stage.QUEUED)
    restored = _backed_up(pipeline, request, tmp_path)
    _slots(pipeline.services, 1)
    # After the backup both are judged, and rejected bytes are moved; all of that is forgotten.
    for one in (running, waiting):
        assert pipeline.decided(one).status is Status.REJECTED
    jobs = pipeline.endpoint.journal.summary()["jobs"]

    pipeline_settings["database"]["url"] = restored()
    pipeline_settings["redis"]["namespace"] = "{another}"
    with ExitStack() as stack:
        services = running_services(stack, Settings.model_validate(pipeline_settings))
        _slots(services, 1)

        def statuses() -> list[Status]:
            with read(services.engine) as conn:
                found = [moderations.by_id(conn, one) for one in (done, running, waiting)]
            return [one.status for one in found if one is not None]

        eventually(lambda: statuses() == [Status.APPROVED, Status.REJECTED, Status.REJECTED])

        def placed() -> Placement:
            with read(services.engine) as conn:
                moderation = moderations.by_id(conn, waiting)
                asset = assets.by_id(conn, moderation.asset_id) if moderation else None
            assert asset is not None
            return asset.placed

        eventually(lambda: placed() is Placement.QUARANTINE)
        assert pipeline.endpoint.journal.summary()["jobs"] == jobs == 3
        with read(services.engine) as conn:
            assert accounts.by_key(conn, "key") is not None
            assert accounts.by_key(conn, "key")[1] == SECRET  # type: ignore[index] # it is there
