"""When a job is looked at: where such jobs end, within the rate of calls, and hardly where completions are sent."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from clipwarden.moderation import Asset, Facts, Moderation, Stage, Status
from clipwarden.settings import Settings
from clipwarden.store import leases, pools, schema
from clipwarden.store.engine import write
from clipwarden_workers import looking
from clipwarden_workers.services import Services, build
from fixtures.pipeline import REGION
from records import START, asset, at, moderation

#: Seconds of the video, and of its job where all take as long.
LENGTH, JOB = 100, 40
FACTS = Facts(
    container="mp4",
    codec="h264",
    duration_ms=LENGTH * 1000,
    width=640,
    height=360,
    frame_rate=30.0,
    rotation=0,
    has_audio=False,
)

Built = Callable[..., Services]


@pytest.fixture
def built(engine: Engine) -> Iterator[Built]:
    """Return what builds services with settings of Rekognition, on a pool of its region."""
    with ExitStack() as opened:

        def made(completion: dict[str, Any] | None = None, **rekognition: Any) -> Services:
            url = engine.url.render_as_string(hide_password=False)
            settings = {
                "database": {"url": url},
                "rekognition": {"region": REGION, **rekognition},
                "completion": completion or {},
            }
            services = build(Settings.model_validate(settings))
            opened.callback(services.close)
            with write(services.engine) as conn:
                pools.ensure(conn, REGION, 20, START)
            return services

        yield made


def _running(conn: Connection, *, others: int = 0) -> tuple[Moderation, Asset]:
    """Return a job that was started at the start, and its video; others run beside it."""
    for _ in range(others + 1):
        row = moderation(conn, stage=Stage.ANALYSING)
        leases.amend(conn, schema.moderations, row.id, fence=0, now=START, pool=REGION)
    return replace(row, pool=REGION, started_at=START), replace(asset(conn), facts=FACTS)


def _learn(conn: Connection, services: Services, *took: float) -> None:
    job, video = _running(conn)
    for seconds in took:
        seen = replace(job, looks=1, updated_at=at(seconds - 1))
        looking.learn(services, conn, seen, video, at(seconds))


def _first(services: Services, *, others: int = 0) -> float:
    with write(services.engine) as conn:
        job, video = _running(conn, others=others)
        return looking.first(services, conn, job, video).total_seconds()


def _again(services: Services, age: float, *, others: int = 0) -> float:
    with write(services.engine) as conn:
        job, video = _running(conn, others=others)
        return looking.again(services, conn, job, video, at(age)).total_seconds()


def test_until_it_is_known_how_long_jobs_take_the_settings_say_when(built: Built) -> None:
    services = built(first_look=7, longest_interval=30)
    assert _first(services) == 7
    assert _again(services, 7) == pytest.approx(7.7)
    assert _again(services, 1000) == 30


def test_jobs_are_looked_at_when_such_jobs_end(built: Built) -> None:
    services = built()
    with write(services.engine) as conn:
        _learn(conn, services, *[JOB] * 50)
    assert 0.9 * JOB < _first(services) < 1.3 * JOB
    assert 0 < _again(services, 0.95 * JOB) < 0.2 * JOB


def test_the_longest_interval_holds_whatever_is_known(built: Built) -> None:
    services = built(longest_interval=30)
    with write(services.engine) as conn:
        _learn(conn, services, *[JOB] * 50)
    assert _again(services, 50 * LENGTH) <= 30


def test_many_open_jobs_are_looked_at_more_rarely(built: Built) -> None:
    services = built(get_rate=1)
    with write(services.engine) as conn:
        _learn(conn, services, *range(10, 60))
    alone, beside_many = _again(services, 20), _again(services, 20, others=19)
    assert 3 * alone < beside_many


def test_where_completions_are_sent_looks_are_for_those_that_are_lost(built: Built) -> None:
    polling = built()
    with write(polling.engine) as conn:
        _learn(conn, polling, *range(10, 60))
    told = built({"queue_url": "https://sqs.us-east-1.amazonaws.com/123456789012/completions"})
    assert _first(told) > 1.5 * _first(polling)
    assert _again(told, 30) > 2 * _again(polling, 30)


def test_a_job_is_known_to_run_until_it_was_last_seen_to_unless_its_row_has_changed_since(built: Built) -> None:
    with write(built().engine) as conn:
        job, _ = _running(conn)
    seen = replace(job, looks=3, updated_at=at(30))
    assert looking.seen_running(seen) == at(30)
    unseen = replace(job, updated_at=at(30))
    failed, decided = replace(seen, faults=1), replace(seen, status=Status.APPROVED)
    assert [looking.seen_running(row) for row in (unseen, failed, decided)] == [START] * 3
