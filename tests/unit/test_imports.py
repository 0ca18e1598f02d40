"""What a producer imports is light."""

import json
import subprocess
import sys

import pytest

#: What none but workers, gateways and people's tools need.
_HEAVY = {"boto3", "botocore", "sqlalchemy", "alembic", "psycopg", "av", "numpy", "structlog", "pydantic_settings"}
_HEAVY |= {"jinja2", "starlette", "uvicorn", "prometheus_client", "httpcore", "argon2", "limits"}


def _modules_after(statement: str) -> set[str]:
    """Return the names of the packages that a statement imports, and those of clipwarden's modules."""
    names = "{name if name.startswith('clipwarden') else name.split('.')[0] for name in sys.modules}"
    program = f"import json, sys; {statement}; print(json.dumps(sorted({names})))"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(json.loads(result.stdout))


def _ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.startswith("clipwarden")}


def test_importing_clipwarden_brings_nothing_before_a_name_is_asked_for() -> None:
    modules = _modules_after("import clipwarden")
    assert _ours(modules) == {"clipwarden"}
    assert not modules - {"clipwarden"} - sys.stdlib_module_names - _modules_after("pass")


def test_the_rules_bring_no_library_at_all() -> None:
    modules = _modules_after("from clipwarden import Policy, judge")
    assert "clipwarden.verdict" in modules
    assert not modules - _ours(modules) - sys.stdlib_module_names - _modules_after("pass")


@pytest.mark.parametrize("statement", ["import clipwarden.client", "from clipwarden import Client"])
def test_the_client_brings_neither_aws_nor_database_nor_media_libraries(statement: str) -> None:
    modules = _modules_after(statement)
    assert "clipwarden.client" in modules
    assert not _HEAVY & modules


def test_the_child_that_probes_a_video_brings_the_decoder_and_little_else() -> None:
    modules = _modules_after("import clipwarden.media.probing")
    assert "av" in modules
    assert not (_HEAVY - {"av"}) & modules
    assert not {"dramatiq", "redis", "pydantic", "clipwarden.policy", "clipwarden.taxonomy"} & modules


@pytest.mark.parametrize(
    ("supervisor", "spared"),
    [
        ("clipwarden_workers.worker", {"boto3", "botocore", "alembic", "av", "clipwarden_workers.actors"}),
        (
            "clipwarden_api.server",
            {"boto3", "alembic", "sqlalchemy", "redis", "uvicorn", "jinja2", "clipwarden_api.app"},
        ),
    ],
)
def test_what_only_supervises_brings_none_of_what_works(supervisor: str, spared: set[str]) -> None:
    assert not spared & _modules_after(f"import {supervisor}")


@pytest.mark.parametrize("process", ["clipwarden_workers.process", "clipwarden_api.answering"])
def test_what_works_brings_nothing_that_only_migrates(process: str) -> None:
    assert "alembic" not in _modules_after(f"import {process}")


def test_a_gateway_over_a_folder_brings_nothing_of_aws() -> None:
    assert not {"boto3", "botocore"} & _modules_after("import clipwarden_api.answering")


def test_a_name_that_is_not_there_is_said_as_python_says_it() -> None:
    import clipwarden  # noqa: PLC0415 # what is imported is the subject

    with pytest.raises(AttributeError, match=r"module 'clipwarden' has no attribute 'nothing'"):
        clipwarden.nothing  # noqa: B018 # asking is the test
    assert set(clipwarden.__all__) <= set(dir(clipwarden))


def test_the_public_names_are_complete_and_sorted() -> None:
    import clipwarden  # noqa: PLC0415 # what is imported is the subject

    assert clipwarden.__all__ == sorted(clipwarden.__all__)
    assert all(hasattr(clipwarden, name) for name in clipwarden.__all__)
