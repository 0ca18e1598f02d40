"""The page on scaling says what was measured and what is computed from it, not what that was at some time."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text()


def _result(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "bench" / "results" / f"{part}.json").read_text())
    return found


def test_the_tables_are_the_ones_that_are_computed() -> None:
    argv = [sys.executable, "-m", "bench.capacity"]
    computed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    capacity, looks = computed.strip().split("\n\n")
    assert f"<!-- capacity -->\n{capacity}\n<!-- end of capacity -->" in PAGE
    assert f"<!-- looks -->\n{looks}\n<!-- end of looks -->" in PAGE


def test_measured_figures_are_the_ones_of_the_bench() -> None:
    text, slots = re.sub(r"\s+", " ", PAGE), _result("slots")["strategies"]
    polling, told = (f"{one['utilisation']:.1%}".replace("%", " %") for one in slots[:2])
    assert f"{polling} of slots used while polling, {told} with completions" in text
    assert f"{slots[0]['gets_per_job']} Gets a job while polling, {slots[1]['gets_per_job']} with completions" in text
    machine, held = _result("throughput"), _result("backlog")
    assert f"{machine['verdicts_of_instant_jobs_per_s']} videos a second, decoded by the probe" in text
    assert f"{machine['verdicts_of_probed_rows_per_s']} that were probed before" in text
    assert f"{_result('callbacks')['callbacks per s to 100 endpoints']:.0f} callbacks a second" in text
    taken = _result("gateway")
    assert f"{taken['small uploads per s, gateway']:.0f} small uploads a second by one process" in text
    assert f"{taken['1 x 1024 MiB, gateway: cpu s']:.1f} s of a core for a GiB" in text
    assert f"with {held['backlog_rows']:,} videos waiting" in text
    assert f"used {held['redis_with_backlog_mb'] - held['redis_empty_mb']:.2f} MB more" in text
