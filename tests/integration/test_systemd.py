"""The units for hosts without containers: sound by systemd's own check, and closed as far as they can be."""

import shutil
import subprocess
from pathlib import Path

import pytest

from rules import DEPLOY

UNITS = DEPLOY / "systemd"
OURS = ("clipwarden-migrate.service", "clipwarden-worker.service", "clipwarden-gateway.service")
#: systemd's measure of what a service could do to the host, from 0 to 10, in tenths.
MOST_EXPOSED = 20


@pytest.fixture
def analyze() -> str:
    """Return systemd's program, which only hosts with systemd have."""
    if (found := shutil.which("systemd-analyze")) is None:
        pytest.skip("no systemd-analyze: this host has no systemd")
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder with the units, whose programs are there."""
    for unit in (*UNITS.glob("*.service"), *UNITS.glob("*.timer")):
        text = unit.read_text().replace("/opt/clipwarden/bin/clipwarden", "/bin/true")
        (tmp_path / unit.name).write_text(text.replace("/usr/bin/curl", "/bin/true"))
    return tmp_path


def test_systemd_finds_no_fault(analyze: str, installed: Path) -> None:
    units = sorted(map(str, installed.iterdir()))
    found = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


@pytest.mark.parametrize("name", OURS)
def test_a_service_could_do_little_to_its_host(analyze: str, installed: Path, name: str) -> None:
    asked = [analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(installed / name)]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]


def test_services_run_what_there_is_and_start_after_the_migration() -> None:
    for name, command in zip(OURS, ("migrate", "worker", "api"), strict=True):
        unit = (UNITS / name).read_text()
        assert f"\nExecStart=/opt/clipwarden/bin/clipwarden {command}" in unit
        assert "\nEnvironmentFile=/etc/clipwarden/clipwarden.env\n" in unit
        if command != "migrate":
            assert "\nRequires=clipwarden-migrate.service\n" in unit
            assert "clipwarden-migrate.service" in next(line for line in unit.splitlines() if line.startswith("After="))


def test_all_services_are_closed_in_the_same_way() -> None:
    closed = [
        unit.read_text().split("# Nothing of the system")[1].split("\n\n")[0].strip()
        for unit in map(UNITS.joinpath, OURS)
    ]
    assert len(set(closed)) == 1
