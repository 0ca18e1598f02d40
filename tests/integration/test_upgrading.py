"""Releases are rolled out beside each other: migrations take nothing away that the code before needs."""

import ast
from pathlib import Path

import pytest
from sqlalchemy import Engine

from clipwarden import errors
from clipwarden.moderation import Status
from clipwarden.store import migrating
from fixtures.gateway import Gateway
from fixtures.pipeline import Pipeline
from releases import expand
from sdk import shown, upload

VERSIONS = Path(migrating.__file__).parent / "migrations" / "versions"
#: From here on, releases work on the schema of the next one.
FIRST = "0021"
#: What code that does not know of it never notices, if a new column may be empty or has a default.
EXPANDING = {"create_table", "create_index", "add_column", "bulk_insert", "build", "f"}
#: What a migration says in its description that builds an index of a table with rows while writers wait.
CAUTION = "writers wait"


def _migrations() -> list[Path]:
    return sorted(path for path in VERSIONS.glob("[0-9]*.py") if path.name >= FIRST)


def _upgrade(module: ast.Module) -> ast.FunctionDef:
    return next(node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")


def _operations(module: ast.Module) -> dict[str, list[ast.Call]]:
    """Return what a migration does, by the names of Alembic's operations."""
    found: dict[str, list[ast.Call]] = {}
    for node in ast.walk(_upgrade(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in {"op", "batch", "indexes"}:
                found.setdefault(node.func.attr, []).append(node)
    return found


def _raises_the_floor(module: ast.Module) -> bool:
    return "schema_floor" in ast.unparse(_upgrade(module)) and "sa.update" in ast.unparse(_upgrade(module))


@pytest.mark.parametrize("path", _migrations(), ids=lambda path: path.stem)
def test_a_migration_only_adds_or_says_which_code_it_leaves_behind(path: Path) -> None:
    module = ast.parse(path.read_text())
    operations = _operations(module)
    contracting = set(operations) - EXPANDING
    assert not contracting or _raises_the_floor(module), f"{path.name} does {sorted(contracting)}: see CONTRIBUTING.md"
    for call in operations.get("add_column", []):
        told = ast.unparse(call)
        assert "nullable=True" in told or "server_default=" in told, f"{path.name}: {told}"


@pytest.mark.parametrize("path", _migrations(), ids=lambda path: path.stem)
def test_a_migration_keeps_no_writers_waiting_or_says_so(path: Path) -> None:
    module = ast.parse(path.read_text())
    assert _keeps_nobody_waiting(module) or CAUTION in (ast.get_docstring(module) or ""), f"{path.name}: indexes.build"


@pytest.mark.parametrize("path", _migrations(), ids=lambda path: path.stem)
def test_a_migration_that_builds_indexes_concurrently_may_be_ended_and_run_again(path: Path) -> None:
    operations = _operations(ast.parse(path.read_text()))
    assert "build" not in operations or set(operations) == {"build"}, f"{path.name}: one migration for each"


def _keeps_nobody_waiting(module: ast.Module) -> bool:
    """Say whether all tables that get an index the plain way are made by the same migration."""
    operations = _operations(module)
    made = {ast.unparse(call.args[0]) for call in operations.get("create_table", [])}
    return all(ast.unparse(call.args[1]) in made for call in operations.get("create_index", []))


@pytest.mark.parametrize(
    ("does", "waits"),
    [
        ('op.create_index("i", "moderations", ["x"])', True),
        ('op.create_table("new"); op.create_index("i", "new", ["x"])', False),
        ('indexes.build("i", "moderations", ["x"])', False),
    ],
)
def test_indexes_of_tables_with_rows_are_noticed(does: str, *, waits: bool) -> None:
    assert _keeps_nobody_waiting(ast.parse(f"def upgrade(): {does}")) is not waits


def test_this_release_works_on_the_schema_of_the_next_one(gateway: Gateway, pipeline: Pipeline) -> None:
    before = pipeline.submit()
    expand(pipeline.services.engine)
    migrating.require_usable(pipeline.services.engine)
    after = pipeline.submit("rotated")
    assert {pipeline.decided(one).status for one in (before, after)} == {Status.APPROVED}
    assert pipeline.receiver.wait_for(after, within=20) is not None
    upload(gateway, "clip", moderation="manual")
    assert shown(gateway, "clip")["public_id"] == "clip"


def test_a_release_that_is_left_behind_says_so(engine: Engine) -> None:
    expand(engine, floor="9998")
    with pytest.raises(errors.ConfigurationError, match="too old for it: run a newer one"):
        migrating.require_usable(engine)
    with pytest.raises(errors.ConfigurationError, match="not one that this clipwarden knows"):
        migrating.upgrade(engine)
