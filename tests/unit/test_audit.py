"""What looks for vulnerabilities fails where there is one, and fails in another way where nobody could be asked."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "tools" / "audit.sh"
#: Answers as pip-audit does: 0 for nothing known, else 1, and a report unless nobody answered.
PIP = """#!/bin/sh
while [ $# -gt 0 ]; do case $1 in --output) report=$2 ;; --requirement) lock=$2 ;; esac; shift; done
{case}
"""
FOUND = 'echo "[]" > "$report"; exit 1'
WELL = f"case $lock in *known.lock) {FOUND} ;; esac"
PIPS = {
    "all is well": (WELL, 0, "no known vulnerability"),
    "a vulnerability": (FOUND, 1, "known vulnerabilities"),
    "away": ("echo 'no route to host' >&2; exit 1", 2, "nobody could be asked"),
    "ignorant": ("exit 0", 2, "nobody could be asked"),
    "away in between": (f"case $lock in *known.lock) {FOUND} ;; *) exit 1 ;; esac", 1, "cannot be read"),
}
#: Answers as npm does: a report that says so, and 1 where something is known; an error as JSON where nobody answered.
NPM = '#!/bin/sh\ncp package-lock.json "$SEEN/$(basename "$PWD").json"\n{case}\n'
NPM_FOUND = """echo '{"auditReportVersion": 2}'; exit 1"""
NPM_WELL = f"""case $PWD in */known) {NPM_FOUND} ;; esac; echo '{{"auditReportVersion": 2}}'"""
NPMS = {
    "all is well": (NPM_WELL, 0, "package-lock.json: no known vulnerability"),
    "a vulnerability": (NPM_FOUND, 1, "package-lock.json: known vulnerabilities"),
    "away": ("""echo '{"message": "405 Method Not Allowed"}'; exit 1""", 2, "nobody could be asked"),
    "ignorant": ("""echo '{"auditReportVersion": 2}'""", 2, "nobody could be asked"),
}


def audited(folder: Path, pip: str, npm: str) -> tuple[int, str]:
    """Run the script with programs that answer so, and return its end and what it said."""
    programs = {"pip-audit": PIP.replace("{case}", pip), "npm": NPM.replace("{case}", npm)}
    for name, program in programs.items():
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)
    (folder / "sdks").mkdir()
    for name in ("a.lock", "sdks/package-lock.json"):
        (folder / name).write_text("{}")
    (folder / "VENDOR").write_text("static/a.js htmx.org 4.0.1 dist/a.js 0BSD sha384-x\n")
    files = [folder / name for name in ("a.lock", "sdks/package-lock.json", "VENDOR")]
    argv = [SCRIPT, folder / "pip-audit", folder / "npm", *files]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "SEEN": str(folder)})
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("case", PIPS)
def test_an_audit_fails_where_something_is_known_and_otherwise_where_nobody_knows(tmp_path: Path, case: str) -> None:
    does, status, says = PIPS[case]
    ended, said = audited(tmp_path, does, NPM_WELL)
    assert ended == status, said
    assert says in said


@pytest.mark.parametrize("case", NPMS)
def test_packages_of_npm_are_looked_at_likewise(tmp_path: Path, case: str) -> None:
    does, status, says = NPMS[case]
    ended, said = audited(tmp_path, WELL, does)
    assert ended == status, said
    assert says in said
    assert "a.lock: no known vulnerability" in said
    assert (f"{tmp_path}/VENDOR" in said.partition("nobody could be asked")[2]) is (status == 2)


def test_what_is_known_counts_more_than_what_could_not_be_looked_at(tmp_path: Path) -> None:
    assert audited(tmp_path, FOUND, NPMS["away"][0])[0] == 1


def test_what_was_copied_is_asked_for_by_name_and_release(tmp_path: Path) -> None:
    audited(tmp_path, WELL, NPM_WELL)
    lock = json.loads((tmp_path / "vendored.json").read_text())
    assert lock["packages"]["node_modules/htmx.org"] == {"version": "4.0.1"}


def test_all_that_is_pinned_is_looked_at() -> None:
    [line] = [line for line in (ROOT / "Makefile").read_text().splitlines() if "audit.sh" in line]
    for wanted in ("requirements/*.lock", "tests/sdks/*.lock", "VENDOR"):
        assert wanted in line
    for lock in ROOT.glob("tests/*/package-lock.json"):
        assert "tests/*/package-lock.json" in line, lock
