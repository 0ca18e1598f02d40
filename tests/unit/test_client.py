"""The producers' client: light to import, and strict before anything is sent."""

import json
import subprocess
import sys

import pytest

from clipwarden import errors
from clipwarden.client import Client

#: Packages of the extras, which a producer does not install.
HEAVY = ("boto3", "sqlalchemy", "alembic", "structlog", "prometheus_client", "pydantic_settings", "httpcore", "av")

PROGRAM = """
import json, sys, time
began = time.perf_counter()
import clipwarden.client
took = time.perf_counter() - began
print(json.dumps({"seconds": took, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""

#: Nothing listens there.
NOWHERE = "redis://127.0.0.1:1/0"


def test_importing_the_client_brings_in_nothing_that_producers_do_not_have() -> None:
    answer = json.loads(subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True).stdout)
    print(f"import clipwarden.client: {answer['seconds']:.3f} s")  # noqa: T201 # a figure to read, not to assert
    assert not set(HEAVY) & set(answer["modules"])


def test_making_a_client_contacts_nothing() -> None:
    Client(NOWHERE).close()


def test_a_producer_is_told_at_once_when_redis_is_not_there() -> None:
    with Client(NOWHERE) as client, pytest.raises(errors.BusUnavailable, match="Redis"):
        client.enqueue("s3://bucket/key.mp4")


@pytest.mark.parametrize("moderation", ["", "aws_rek", "aws_rek_video:", "aws_rek_video:suggestive:2.0", "webpurify"])
def test_a_moderation_parameter_that_cannot_be_read_is_refused_before_anything_is_sent(moderation: str) -> None:
    with Client(NOWHERE) as client, pytest.raises(errors.PolicyError):
        client.enqueue("s3://bucket/key.mp4", moderation=moderation)


def test_another_field_out_of_its_bounds_is_refused_before_anything_is_sent() -> None:
    with Client(NOWHERE) as client, pytest.raises(errors.MessageError, match="priority"):
        client.enqueue("s3://bucket/key.mp4", moderation="manual", priority=1000)


def test_reading_needs_a_database() -> None:
    with Client(NOWHERE) as client, pytest.raises(errors.ConfigurationError, match="database_url"):
        client.get("0193a5b2-7c1e-7d3f-8a4b-5c6d7e8f9a0b")


def test_a_database_url_needs_the_extra_that_reads_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("clipwarden.store")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(errors.ConfigurationError, match=r"sqlalchemy.*clipwarden\[workers\]"):
        Client(NOWHERE, database_url="sqlite:///none.db")
