"""Redis behind Sentinels: the master dies, its replica takes over, and the pipeline goes on."""

import contextlib

import pytest
from pydantic import SecretStr

from clipwarden import errors
from clipwarden.broker import build_counter
from clipwarden.broker.redis_client import connect
from clipwarden.settings import DatabaseSettings
from clipwarden_local.analysis.scripted import Script
from fixtures.pipeline import Pipeline
from fixtures.sentinel import Watched
from waiting import eventually

VIDEOS = 8


@pytest.fixture
def redis_url(watched_redis: Watched) -> str:
    """Return the URL that the pipeline finds its bus by."""
    return watched_redis.url


@pytest.fixture
def database(sqlite_url: str) -> DatabaseSettings:
    """Return one database: which one makes no difference here."""
    return DatabaseSettings(url=SecretStr(sqlite_url))


def test_the_pipeline_goes_on_when_the_master_dies(pipeline: Pipeline, watched_redis: Watched) -> None:
    pipeline.endpoint.tell(Script.model_validate({"seconds": 1.0}))
    ids = [pipeline.submit("plain", public_id=f"video-{number}") for number in range(VIDEOS)]
    # Only what has a row is promised: a message that was not replicated is its producer's to send again.
    eventually(lambda: all(pipeline.get(one) for one in ids))
    watched_redis.master.kill()

    def accepted() -> str | None:
        with contextlib.suppress(errors.BusUnavailable):
            return pipeline.submit("plain", public_id="after", idempotency_key="after")
        return None

    after = eventually(accepted, within=30, message="no master took over")
    assert after is not None
    for one in (*ids, after):
        pipeline.decided(one, within=60)
        callback = pipeline.receiver.wait_for(one, within=60)
        assert callback is not None
        assert callback.verified
    with watched_redis.replica.client() as client:
        assert client.info("replication")["role"] == "master"


@pytest.mark.parametrize(
    "url", ["sentinel://host", "sentinel://host/bus/one", "sentinel://host:port/bus", "sentinel:///bus"]
)
def test_a_sentinel_url_that_cannot_be_read_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(errors.ConfigurationError):
        connect(url)


def test_a_sentinel_that_is_away_is_a_bus_that_cannot_be_reached() -> None:
    with pytest.raises(errors.BusUnavailable):
        build_counter("sentinel://127.0.0.1:1,127.0.0.1:2/bus/0").messages("intake")
