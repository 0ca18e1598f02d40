"""Lists come from a streaming replica that keeps up, and from the primary in every other case."""

# mypy: allow-untyped-calls

import os
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from cloudinary import api
from cloudinary.search import Search
from pydantic import SecretStr

from clipwarden import errors
from clipwarden.settings import DatabaseSettings
from clipwarden.store import accounts, listings, migrating
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine, write
from clipwarden.store.listings import Listings
from fixtures.gateway import Gateway
from fixtures.postgres import NoServerError, Server, replicating, running
from sdk import shown, upload
from waiting import eventually

IS_REPLICA = sa.text("SELECT pg_is_in_recovery()")


@pytest.fixture
def replicated() -> Iterator[tuple[Server, Server]]:
    """Run a migrated server and its replica; without programs for it, tests skip on a laptop and fail in CI."""
    try:
        with running() as primary:
            engine = create_engine(DatabaseSettings(url=SecretStr(primary.url())))
            migrating.upgrade(engine)
            engine.dispose()
            with replicating(primary) as replica:
                yield primary, replica
    except NoServerError as exc:
        if "CI" in os.environ:
            pytest.fail(f"no replica for the tests: {exc}")
        pytest.skip(f"no replica for the tests: {exc}")


def _from_replica(asked: Listings) -> bool:
    return bool(asked.ask(lambda conn: conn.execute(IS_REPLICA).scalar_one()))


def test_lists_come_from_a_replica_only_while_it_keeps_up(
    replicated: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "EXAMINE_EVERY", 0.05)
    primary, replica = replicated
    settings = DatabaseSettings(url=SecretStr(primary.url()), replica_url=SecretStr(replica.url()))
    engine = create_engine(settings)
    asked, direct = Listings(engine, settings), create_engine(DatabaseSettings(url=SecretStr(replica.url())))
    try:
        eventually(lambda: _from_replica(asked), message="the replica is never asked")
        with pytest.raises(sa.exc.DBAPIError), write(direct) as conn:
            accounts.ensure(conn, name="a", api_key="k", api_secret="s", now=DatabaseClock(engine).now())

        replica.execute("SELECT pg_wal_replay_pause()")
        with write(engine) as conn:
            accounts.ensure(conn, name="a", api_key="k", api_secret="s", now=DatabaseClock(engine).now())
        eventually(lambda: not _from_replica(asked), message="a replica that stands still is asked")
        replica.execute("SELECT pg_wal_replay_resume()")
        eventually(lambda: _from_replica(asked), message="the replica is not asked again")

        replica.process.send_signal(2)
        replica.process.wait(30)
        assert not _from_replica(asked)
    finally:
        asked.close()
        direct.dispose()
        engine.dispose()


@pytest.fixture
def database(postgresql_url: str) -> DatabaseSettings:
    """Return the pipeline's database: a replica is PostgreSQL's."""
    return DatabaseSettings(url=SecretStr(postgresql_url))


@pytest.fixture
def stale(pipeline_settings: dict[str, dict[str, Any]], postgres: Server, postgres_template: str) -> Iterator[None]:
    """Give the gateway a replica that has nothing in it: a database of its own, which cannot be told from Aurora's."""
    postgres.execute(f"CREATE DATABASE stale_replica TEMPLATE {postgres_template}")
    pipeline_settings["database"]["replica_url"] = postgres.url("stale_replica")
    yield
    postgres.execute("DROP DATABASE stale_replica WITH (FORCE)")


@pytest.mark.usefixtures("stale")
def test_only_lists_and_searches_are_the_replicas(gateway: Gateway) -> None:
    upload(gateway, "film")
    assert shown(gateway, "film")["public_id"] == "film"
    assert api.resources_by_ids(["film"], resource_type="video", **gateway.cloud)["resources"]
    assert api.resources(resource_type="video", **gateway.cloud)["resources"] == []
    assert Search().expression("resource_type:video").execute(**gateway.cloud)["total_count"] == 0


def test_a_replica_beside_a_file_is_a_wrong_setting(sqlite_url: str) -> None:
    settings = DatabaseSettings(url=SecretStr(sqlite_url), replica_url=SecretStr("postgresql://host/name"))
    engine = create_engine(settings)
    with pytest.raises(errors.ConfigurationError):
        Listings(engine, settings)
    engine.dispose()
