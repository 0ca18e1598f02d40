"""Dashboards: made of the code beside them, and asking only for what there is."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue import catalogue, series
from fixtures.prometheus import Promtool
from rules import DEPLOY, expressions, named, recorded

GRAFANA = DEPLOY / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))


def test_the_files_are_what_the_code_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(GRAFANA / "build.py"), str(tmp_path)], check=True)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        file.name: file.read_text() for file in FILES
    }


def test_dashboards_ask_only_for_what_there_is_and_for_all_of_it() -> None:
    asked = set().union(*(named(expression) for file in FILES for expression in expressions(file)))
    assert asked <= series() | recorded()
    parts = "_bucket|_sum|_count"
    assert set(catalogue()) <= asked | {re.sub(f"({parts})$", "", name) for name in asked}


def test_prometheus_reads_every_expression(promtool: Promtool, tmp_path: Path) -> None:
    asked = [expression for file in FILES for expression in expressions(file)]
    # What Grafana fills in before it asks.
    ready = [expression.replace("$__rate_interval", "5m") for expression in asked]
    rules = [{"record": f"asked:{number}", "expr": expression} for number, expression in enumerate(ready)]
    (tmp_path / "asked.yml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    found = promtool("check", "rules", str(tmp_path / "asked.yml"))
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_do_not_lie_on_each_other_and_have_ids_of_their_own(file: Path) -> None:
    panels: list[dict[str, Any]] = json.loads(file.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
