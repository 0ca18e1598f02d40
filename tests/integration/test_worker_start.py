"""A worker that comes before the database's schema waits for it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from clipwarden import errors
from clipwarden.settings import Settings
from clipwarden.store import migrating, pools, schema
from clipwarden.store.engine import read, write
from clipwarden_workers import process
from clipwarden_workers.services import Services, build
from waiting import eventually


@pytest.fixture
def services(pipeline_settings: dict[str, dict[str, Any]]) -> Iterator[Services]:
    """Give what a worker has."""
    services = build(Settings.model_validate(pipeline_settings))
    yield services
    services.close()


@pytest.fixture
def unmigrated(pipeline_settings: dict[str, dict[str, Any]], tmp_path: Path) -> Iterator[Services]:
    """Give what a worker has, on a database without schema."""
    pipeline_settings["database"]["url"] = f"sqlite:///{tmp_path / 'empty.db'}"
    services = build(Settings.model_validate(pipeline_settings))
    yield services
    services.close()


def test_it_waits_for_the_migration_and_says_so_once(unmigrated: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_PAUSE", 0.01)
    looks: list[str] = []
    behind = process._behind

    def counted(engine: sa.Engine) -> str:
        looks.append(behind(engine))
        return looks[-1]

    monkeypatch.setattr(process, "_behind", counted)
    with structlog.testing.capture_logs() as logs, ThreadPoolExecutor(1) as threads:
        ready = threads.submit(process._prepare, unmigrated, threading.Event())
        eventually(lambda: len(looks) > 3)
        migrating.upgrade(unmigrated.engine)
        assert ready.result(timeout=20)
    told = [line["reason"] for line in logs if line["event"] == "waiting for the database"]
    assert len(told) == 1
    assert "run `clipwarden migrate`" in told[0]
    with read(unmigrated.engine) as conn:
        assert [pool.name for pool in pools.every(conn)] == list(unmigrated.pools)


def test_it_stops_while_it_waits(unmigrated: Services) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        ready = threads.submit(process._prepare, unmigrated, stop)
        stop.set()
        assert not ready.result(timeout=20)


def test_a_schema_that_no_migration_leads_back_from_ends_it(services: Services) -> None:
    with write(services.engine) as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        conn.execute(sa.update(schema.schema_floor).values(revision="9998"))
    with pytest.raises(errors.ConfigurationError, match="run a newer one"):
        process._prepare(services, threading.Event())
