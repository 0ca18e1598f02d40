"""What looks for vulnerabilities fails where there is one, and says so where nobody could be asked."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tools" / "audit.sh"
#: Answers as pip-audit does: 0 for nothing known, else 1, and a report unless nobody answered.
FAKE = """#!/bin/sh
while [ $# -gt 0 ]; do case $1 in --output) report=$2 ;; --requirement) lock=$2 ;; esac; shift; done
{case}
"""
FOUND = 'echo "[]" > "$report"; exit 1'
CASES = {
    "all is well": (f"case $lock in *known.lock) {FOUND} ;; esac", 0, "no known vulnerability"),
    "a vulnerability": (FOUND, 1, "known vulnerabilities"),
    "away": ("echo 'no route to host' >&2; exit 1", 0, "nobody could be asked"),
    "ignorant": ("exit 0", 0, "nobody could be asked"),
    "away in between": (f"case $lock in *known.lock) {FOUND} ;; *) exit 1 ;; esac", 1, "cannot be read"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_audit_fails_where_something_is_known_and_nowhere_else(tmp_path: Path, case: str) -> None:
    does, status, says = CASES[case]
    fake, lock = tmp_path / "pip-audit", tmp_path / "a.lock"
    fake.write_text(FAKE.replace("{case}", does))
    fake.chmod(0o755)
    lock.write_text("")
    ran = subprocess.run([SCRIPT, fake, lock], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert ran.returncode == status, ran.stderr
    assert says in ran.stdout + ran.stderr
