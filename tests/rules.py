"""The rules that Prometheus is given, and what they refer to."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
RULE_FILES = sorted((DEPLOY / "prometheus").glob("*.rules.yml"))


@cache
def rules() -> list[dict[str, Any]]:
    """Return every rule of every file."""
    groups = [group for file in RULE_FILES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Return the rules that tell a person."""
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> set[str]:
    """Return the names under which rules record something."""
    return {rule["record"] for rule in rules() if "record" in rule}


def named(expression: str) -> set[str]:
    """Return the metrics of ours that an expression names, recorded ones included."""
    return set(re.findall(r"\bclipwarden[_:][a-z0-9_:]+", expression))


def expressions(dashboard: Path) -> list[str]:
    """Return what a dashboard asks Prometheus for."""
    panels = json.loads(dashboard.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]
