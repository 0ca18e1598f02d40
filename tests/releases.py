"""The release before this one, unpacked from the archive kept of it, and a schema that only a later one knows."""

import os
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Engine

from clipwarden.store import schema
from clipwarden.store.engine import write

#: Made by `make release-archive`.
ARCHIVE = Path(__file__).parent / "data" / "previous-release.tar.gz"

#: Tables that every video passes through.
BUSY = ("moderations", "assets", "accounts", "deliveries")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release whose programs can be run: this one, or one in a folder of its own."""

    name: str
    python_path: str  #: Comes before all that is installed.

    def environment(self, others: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which ``clipwarden`` is this release's."""
        return {**others, "PYTHONPATH": self.python_path}

    def run(self, *words: str, env: Mapping[str, str]) -> str:
        """Run one of its commands to its end, and return what it says."""
        return self.python("-m", "clipwarden.cli", *words, env=env)

    def python(self, *words: str, env: Mapping[str, str]) -> str:
        """Run Python with its packages, and return what is said."""
        argv, given = [sys.executable, *words], self.environment({**os.environ, **env})
        return subprocess.run(argv, env=given, check=True, stdout=subprocess.PIPE, text=True).stdout


#: What is checked out.
PRESENT = Release(name="present", python_path=os.environ.get("PYTHONPATH", ""))


def previous(folder: Path) -> Release:
    """Unpack the release before this one."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    about = tomllib.loads((folder / "pyproject.toml").read_text())
    packages = about["tool"]["hatch"]["build"]["dev-mode-dirs"]
    _tell(folder / "about" / "clipwarden.dist-info", about["project"])
    return Release(name="previous", python_path=os.pathsep.join(str(folder / part) for part in ("about", *packages)))


def _tell(folder: Path, project: dict[str, object]) -> None:
    """Write what an installation says of itself: its version, and which commands there are."""
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: clipwarden\nVersion: {project['version']}\n")
    commands = project["entry-points"]["clipwarden.commands"]  # type: ignore[index] # as TOML nests it
    lines = [f"{name} = {module}\n" for name, module in commands.items()]
    (folder / "entry_points.txt").write_text("[clipwarden.commands]\n" + "".join(lines))


def expand(engine: Engine, *, floor: str | None = None) -> None:
    """Lead the schema to one that only a later release knows of, as migrations may while processes work.

    Code whose own revision is below ``floor`` is left behind.
    """
    for table in BUSY:
        _change(engine, f"ALTER TABLE {table} ADD COLUMN of_a_later_release TEXT")
        _change(engine, f"ALTER TABLE {table} ADD COLUMN counted INTEGER NOT NULL DEFAULT 0")
        _change(engine, f"CREATE INDEX ix_{table}_later ON {table} (counted)")
    _change(engine, "CREATE TABLE later_release (id TEXT PRIMARY KEY)")
    _change(engine, "UPDATE alembic_version SET version_num = '9999'")
    if floor is not None:
        with write(engine) as conn:
            conn.execute(sa.update(schema.schema_floor).values(revision=floor))


def _change(engine: Engine, statement: str) -> None:
    # Each in a transaction of its own: one that locked several tables could meet a process that locks them otherwise.
    with write(engine) as conn:
        conn.exec_driver_sql(statement)
