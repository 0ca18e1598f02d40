"""`clipwarden migrate` waits for a database that comes late, and says so."""

import os
import subprocess
import sys
from pathlib import Path

from clipwarden.store import migrating

COMMAND = [sys.executable, "-m", "clipwarden.cli", "migrate", "--wait"]


def _environment(database: Path) -> dict[str, str]:
    return {**os.environ, "CLIPWARDEN_DATABASE__URL": f"sqlite:///{database}"}


def test_it_migrates_as_soon_as_the_database_is_there(tmp_path: Path) -> None:
    late = tmp_path / "late.db"
    late.mkdir()  # No database can be opened there.
    env = _environment(late)
    with subprocess.Popen(
        [*COMMAND, "60"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as asked:
        assert asked.stderr is not None
        assert "waiting for the database" in asked.stderr.readline()
        late.rmdir()
        told, _ = asked.communicate(timeout=60)
    assert (asked.returncode, told) == (0, f"schema empty -> {migrating.newest()}\n")


def test_it_gives_up_in_the_end(tmp_path: Path) -> None:
    asked = subprocess.run(
        [*COMMAND, "0.1"], env=_environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    assert asked.returncode == 1
    assert "waiting for the database" in asked.stderr
    assert asked.stderr.splitlines()[-1].startswith("clipwarden: the database cannot take this now")
