"""Where alerts go: a configuration that Alertmanager takes, and that fits the rules."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.prometheus import Amtool
from rules import DEPLOY, alerts

CONFIG = DEPLOY / "alertmanager" / "alertmanager.yml"
SEVERITIES = sorted({rule["labels"]["severity"] for rule in alerts()})


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Return the configuration as Debian 12's amtool can read it, which knows a URL but not yet a file with one."""
    told, found = re.subn(r"url_file: \S+", "url: http://127.0.0.1/", CONFIG.read_text())
    assert found == 1
    (tmp_path / CONFIG.name).write_text(told)
    return str(tmp_path / CONFIG.name)


def test_alertmanager_takes_the_configuration(amtool: Amtool, config: str) -> None:
    found = amtool("check-config", config)
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_wrong_configuration_would_be_noticed(amtool: Amtool, config: str) -> None:
    wrong = Path(config)
    wrong.write_text(wrong.read_text().replace("name: webhook", "name: nobody"))
    assert amtool("check-config", config).returncode != 0


@pytest.mark.parametrize("severity", SEVERITIES)
def test_an_alert_of_each_severity_reaches_a_receiver(amtool: Amtool, config: str, severity: str) -> None:
    asked = ("config", "routes", "test", f"--config.file={config}", "--verify.receivers=webhook")
    found = amtool(*asked, "alertname=ClipwardenSlotsIdle", f"severity={severity}")
    assert found.returncode == 0, found.stdout + found.stderr


def test_routes_lead_to_receivers_that_there_are_and_ask_for_what_rules_say() -> None:
    told = yaml.safe_load(CONFIG.read_text())
    said = {f'{name}="{value}"' for rule in alerts() for name, value in rule["labels"].items()}
    names = {label.split("=")[0] for label in said} | {"alertname"}
    receivers = {receiver["name"] for receiver in told["receivers"]}
    routes = list(_routes(told["route"]))
    assert {route["receiver"] for route in routes} == receivers
    assert {matcher for route in routes for matcher in route.get("matchers", ())} <= said
    assert {label for route in routes for label in route.get("group_by", ())} <= names


def _routes(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield route
    for below in route.get("routes", ()):
        yield from _routes(below)
