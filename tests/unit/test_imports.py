"""What a producer imports is light."""

import json
import subprocess
import sys


def _modules_after(statement: str) -> set[str]:
    program = f"import json, sys; {statement}; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(json.loads(result.stdout))


def test_importing_clipwarden_brings_neither_aws_nor_database_nor_media_libraries() -> None:
    heavy = {"boto3", "botocore", "sqlalchemy", "alembic", "psycopg", "av", "numpy", "structlog", "pydantic_settings"}
    heavy |= {"opentelemetry", "redis"}
    assert not heavy & _modules_after("import clipwarden")


def test_the_public_names_are_complete_and_sorted() -> None:
    import clipwarden  # noqa: PLC0415 # what is imported is the subject

    assert clipwarden.__all__ == sorted(clipwarden.__all__)
    assert all(hasattr(clipwarden, name) for name in clipwarden.__all__)
