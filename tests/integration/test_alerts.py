"""Alerts: each fires when it should, stays quiet when it should, and says what to do."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from alert_cases import CASES, Case, Scraped
from catalogue import series
from fixtures.prometheus import Promtool
from rules import RULE_FILES, alerts, named, recorded, rules

#: Where operators have said that people find the pages.
RUNBOOKS_URL = "https://git.example/runbooks/"
RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"


@pytest.mark.parametrize(
    ("alert", "case"), CASES, ids=["-".join(filter(None, (name, case.severity, case.about))) for name, case in CASES]
)
def test_an_alert_fires_when_it_should_and_is_quiet_when_it_should(
    promtool: Promtool, tmp_path: Path, alert: str, case: Case
) -> None:
    tests = [
        _test(alert, case, scraped, fires=fires)
        for fires, scraped in ((True, case.fires), (False, case.quiet))
        if scraped is not None
    ]
    found = promtool("test", "rules", _written(tmp_path, case.every, tests))
    assert found.returncode == 0, found.stdout + found.stderr


def test_these_cases_can_fail(promtool: Promtool, tmp_path: Path) -> None:
    alert, case = next(named for named in CASES if named[0] == "ClipwardenDeadLetters")
    assert case.fires is not None
    assert case.quiet is not None
    for wrong in (_test(alert, case, case.fires, fires=False), _test(alert, case, case.quiet, fires=True)):
        assert "FAILED" in promtool("test", "rules", _written(tmp_path, case.every, [wrong])).stderr


def _test(alert: str, case: Case, scraped: Scraped, *, fires: bool) -> dict[str, Any]:
    told = {"__name__": "ALERTS", "alertname": alert, "alertstate": "firing", "severity": case.severity} | case.labels
    labels = ",".join(f'{name}="{value}"' for name, value in told.items())
    asked = f'ALERTS{{alertname="{alert}",alertstate="firing",severity="{case.severity}"}}'
    samples = [{"labels": f"{{{labels}}}", "value": 1}] if fires else []
    return {
        "interval": case.every,
        # With the link that an operator has set. Prometheus adds the label itself only to what it sends.
        "external_labels": {"runbooks": RUNBOOKS_URL},
        "input_series": [{"series": name, "values": values} for name, values in scraped.items()],
        "promql_expr_test": [{"expr": asked, "eval_time": f"{case.minutes}m", "exp_samples": samples}],
        "alert_rule_test": [_told(alert, case)] if fires and case.says else [],
    }


def test_a_link_begins_with_the_folder_where_nobody_has_set_another(promtool: Promtool, tmp_path: Path) -> None:
    alert, case = next(named for named in CASES if named[0] == "ClipwardenDeadLetters")
    assert case.fires is not None
    test = _test(alert, case, case.fires, fires=True) | {"external_labels": {}}
    (told,) = test["alert_rule_test"][0]["exp_alerts"]
    told["exp_annotations"]["runbook_url"] = f"docs/runbooks/{alert}.md"
    found = promtool("test", "rules", _written(tmp_path, case.every, [test]))
    assert found.returncode == 0, found.stdout + found.stderr


def _told(alert: str, case: Case) -> dict[str, Any]:
    """Return what a person is told: all of it, as Prometheus fills it in."""
    (rule,) = (rule for rule in alerts() if _key(rule) == (alert, case.severity))
    annotations = {
        "summary": rule["annotations"]["summary"],
        "description": case.says,
        "runbook_url": f"{RUNBOOKS_URL}{alert}.md",
    }
    labels = {"severity": case.severity} | case.labels
    told = {"exp_labels": labels, "exp_annotations": annotations}
    return {"eval_time": f"{case.minutes}m", "alertname": alert, "exp_alerts": [told]}


def _key(rule: dict[str, Any]) -> tuple[str, str]:
    return rule["alert"], rule["labels"]["severity"]


def _written(folder: Path, every: str, tests: list[dict[str, Any]]) -> str:
    """Write the tests, and the rules as they are evaluated as often as there are values."""
    for file in RULE_FILES:
        (folder / file.name).write_text(file.read_text().replace("interval: 30s", f"interval: {every}"))
    names = [file.name for file in RULE_FILES]
    told = folder / "test.yml"
    told.write_text(yaml.safe_dump({"rule_files": names, "evaluation_interval": every, "tests": tests}))
    return str(told)


def test_every_rule_has_cases_of_firing_silence_and_what_it_tells() -> None:
    keys = {_key(rule) for rule in alerts()}
    assert {(name, case.severity) for name, case in CASES if case.fires is not None} == keys
    assert {(name, case.severity) for name, case in CASES if case.quiet is not None} == keys
    assert {(name, case.severity) for name, case in CASES if case.says} == keys


def test_every_alert_has_a_page_that_says_what_to_do() -> None:
    names = {rule["alert"] for rule in alerts()}
    assert names == {page.stem for page in RUNBOOKS.glob("Clipwarden*.md")}
    for rule in alerts():
        link = f'{{{{ or $externalLabels.runbooks "docs/runbooks/" }}}}{rule["alert"]}.md'
        assert rule["annotations"]["runbook_url"] == link
    for page in RUNBOOKS.glob("Clipwarden*.md"):
        headings = [line for line in page.read_text().splitlines() if line.startswith("#")]
        assert headings == [f"# {page.stem}", "## What it means", "## What to look at", "## What to do"], page.name


def test_rules_name_only_what_there_is() -> None:
    used = set().union(*(named(rule["expr"]) for rule in rules()))
    assert used <= series() | recorded()


def test_promtool_finds_no_fault_with_the_rules(promtool: Promtool) -> None:
    found = promtool("check", "rules", *map(str, RULE_FILES))
    assert found.returncode == 0, found.stdout + found.stderr
