"""Alerts: each fires when it should, stays quiet when it should, and says what to do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue import series
from fixtures.prometheus import Promtool
from rules import RULE_FILES, alerts, named, recorded, rules

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"

#: What Prometheus has scraped, by the series; a value a minute, in promtool's notation.
Scraped = dict[str, str]

LOOKED = 'clipwarden_loop_look_timestamp_seconds{instance="w1",loop="dispatcher"}'
ROUTE = 'route="/v1_1/{cloud}/resources"'
START = 'clipwarden_aws_calls_total{operation="StartContentModeration"'


@dataclass(frozen=True, kw_only=True)
class Case:
    """When an alert fires, and when it does not."""

    fires: Scraped
    quiet: Scraped
    severity: str = "ticket"
    minutes: int = 40  #: After how many it is looked at.
    labels: dict[str, str] = field(default_factory=dict)  #: What it is about.


def _judged(total: str, in_time: str) -> Scraped:
    return {
        "clipwarden_judging_delay_seconds_count": total,
        'clipwarden_judging_delay_seconds_bucket{le="60.0"}': in_time,
    }


def _attempted(total: str, in_time: str) -> Scraped:
    return {
        "clipwarden_delivery_wait_seconds_count": total,
        'clipwarden_delivery_wait_seconds_bucket{le="60.0"}': in_time,
    }


def _answered(good: str, bad: str) -> Scraped:
    return {
        f'clipwarden_http_requests_total{{{ROUTE},status="200"}}': good,
        f'clipwarden_http_requests_total{{{ROUTE},status="500"}}': bad,
        # Neither who asks for our health nor who hangs up counts.
        'clipwarden_http_requests_total{route="/healthz",status="500"}': "0+100x4500",
        f'clipwarden_http_requests_total{{{ROUTE},status="none"}}': "0+100x4500",
    }


def _timed(total: str, in_time: str) -> Scraped:
    upload = 'route="/v1_1/{cloud}/{resource_type}/upload"'
    return {
        f"clipwarden_http_request_seconds_count{{{ROUTE}}}": total,
        f'clipwarden_http_request_seconds_bucket{{{ROUTE},le="0.5"}}': in_time,
        # Uploads take as long as they take.
        f"clipwarden_http_request_seconds_count{{{upload}}}": "0+100x4500",
        f'clipwarden_http_request_seconds_bucket{{{upload},le="0.5"}}': "0+0x4500",
    }


THREE_DAYS = 3 * 24 * 60


def _burned(*, events: float, misses: float) -> Scraped:
    """Return what the first of the rules make of three days, a value every five minutes."""
    return {
        'clipwarden:slo_events:rate5m{slo="verdict"}': f"{events}x900",
        'clipwarden:slo_misses:rate5m{slo="verdict"}': f"{misses}x900",
    }


CASES: list[tuple[str, Case]] = [
    (
        "ClipwardenVerdictsLate",
        Case(
            labels={"slo": "verdict"},
            severity="page",
            fires=_judged("0+10x90", "0+5x90"),
            # A single late one of a quiet installation is half of its verdicts, but wakes nobody.
            quiet=_judged("0x20 2x60", "0x20 1x60"),
        ),
    ),
    (
        "ClipwardenVerdictsLate",
        Case(
            labels={"slo": "verdict"},
            minutes=THREE_DAYS,
            fires=_burned(events=100, misses=3),
            quiet=_burned(events=100, misses=0.9),
        ),
    ),
    (
        "ClipwardenCallbacksLate",
        Case(
            labels={"slo": "callback"},
            severity="page",
            fires=_attempted("0+10x90", "0+5x90"),
            quiet=_attempted("0+1000x90", "0+995x90"),
        ),
    ),
    (
        "ClipwardenGatewayErrors",
        Case(
            labels={"slo": "availability"},
            severity="page",
            fires=_answered("0+90x90", "0+10x90"),
            quiet=_answered("0+10000x90", "0+5x90"),
        ),
    ),
    (
        "ClipwardenGatewaySlow",
        Case(
            labels={"slo": "latency"},
            severity="page",
            fires=_timed("0+10x90", "0+5x90"),
            quiet=_timed("0+1000x90", "0+995x90"),
        ),
    ),
    (
        "ClipwardenModerationTooOld",
        Case(
            severity="page",
            fires={"clipwarden_oldest_pending_seconds": "14000+60x90"},
            quiet={"clipwarden_oldest_pending_seconds": "9000+60x90"},
        ),
    ),
    (
        "ClipwardenModerationsAborted",
        Case(
            fires={
                'clipwarden_moderations_total{status="approved"}': "0+4x90",
                'clipwarden_moderations_total{status="aborted"}': "0+1x90",
            },
            quiet={
                'clipwarden_moderations_total{status="approved"}': "0+40x90",
                'clipwarden_moderations_total{status="aborted"}': "0+1x90",
            },
        ),
    ),
    (
        "ClipwardenCallbacksGivenUp",
        Case(
            minutes=100,
            fires={'clipwarden_deliveries{stage="failed"}': "7x80 9x40"},
            quiet={'clipwarden_deliveries{stage="failed"}': "7x120"},
        ),
    ),
    (
        "ClipwardenNoWorkers",
        Case(severity="page", fires={"up": "0x90"}, quiet={LOOKED: "0+60x90"}),
    ),
    (
        "ClipwardenNoGateway",
        # Workers know the metric too, and have no room at all.
        Case(
            severity="page",
            fires={'clipwarden_upload_places{instance="w1"}': "0x90"},
            quiet={'clipwarden_upload_places{instance="g1"}': "20x90"},
        ),
    ),
    (
        "ClipwardenDispatcherStuck",
        Case(severity="page", fires={LOOKED: "0x90"}, quiet={LOOKED: "0+60x90"}, labels={"instance": "w1"}),
    ),
    (
        "ClipwardenDatabaseUnreachable",
        Case(
            severity="page",
            fires={LOOKED: "0+60x90"},
            quiet={LOOKED: "0+60x90", "clipwarden_oldest_pending_seconds": "0x90"},
        ),
    ),
    (
        "ClipwardenRedisUnreachable",
        Case(
            severity="page",
            fires={LOOKED: "0+60x90"},
            quiet={LOOKED: "0+60x90", 'clipwarden_bus_messages{queue="intake",state="dead"}': "0x90"},
        ),
    ),
    (
        "ClipwardenStageStuck",
        Case(
            labels={"stage": "judging"},
            fires={'clipwarden_oldest_seconds{stage="judging"}': "0+60x90"},
            # A queue may be long, and reviewers have time.
            quiet={'clipwarden_oldest_seconds{stage="queued"}': "0+60x90"},
        ),
    ),
    (
        "ClipwardenAwsFailing",
        Case(
            labels={"operation": "StartContentModeration"},
            fires={
                START + ',outcome="ok"}': "0+1x90",
                START + ',outcome="AccessDeniedException"}': "0+1x90",
            },
            # That others use the quota is no failure.
            quiet={
                START + ',outcome="ok"}': "0+1x90",
                START + ',outcome="LimitExceededException"}': "0+9x90",
            },
        ),
    ),
    (
        "ClipwardenSlotsTakenByOthers",
        Case(
            minutes=75,
            labels={"pool": "eu"},
            fires={'clipwarden_slots{pool="eu"}': "20x120", 'clipwarden_slots_limit{pool="eu"}': "9x120"},
            quiet={'clipwarden_slots{pool="eu"}': "20x120", 'clipwarden_slots_limit{pool="eu"}': "10x120"},
        ),
    ),
    (
        "ClipwardenSlotsIdle",
        Case(
            fires={
                'clipwarden_slots_in_use{pool="eu"}': "3x90",
                'clipwarden_slots_limit{pool="eu"}': "20x90",
                'clipwarden_moderations{stage="queued"}': "50x90",
            },
            quiet={
                'clipwarden_slots_in_use{pool="eu"}': "3x90",
                'clipwarden_slots_limit{pool="eu"}': "20x90",
                # What waits may be another pool's, whose slots are taken.
                'clipwarden_slots_in_use{pool="us"}': "20x90",
                'clipwarden_slots_limit{pool="us"}': "20x90",
                'clipwarden_moderations{stage="queued"}': "50x90",
            },
        ),
    ),
    (
        "ClipwardenDeadLetters",
        Case(
            labels={"queue": "intake"},
            fires={'clipwarden_bus_messages{queue="intake",state="dead"}': "1x90"},
            quiet={'clipwarden_bus_messages{queue="intake",state="unacknowledged"}': "1x90"},
        ),
    ),
    (
        "ClipwardenEndpointDisabled",
        Case(
            minutes=100,
            fires={'clipwarden_endpoints{state="disabled"}': "1x80 2x40"},
            quiet={'clipwarden_endpoints{state="disabled"}': "1x120"},
        ),
    ),
    (
        "ClipwardenUploadsCrowded",
        Case(
            fires={"clipwarden_upload_places": "20x90", "clipwarden_upload_places_taken": "20x90"},
            quiet={"clipwarden_upload_places": "20x90", "clipwarden_upload_places_taken": "10x90"},
        ),
    ),
]


@pytest.mark.parametrize(("alert", "case"), CASES, ids=[f"{name}-{case.severity}" for name, case in CASES])
def test_an_alert_fires_when_it_should_and_is_quiet_when_it_should(
    promtool: Promtool, tmp_path: Path, alert: str, case: Case
) -> None:
    tests = [_test(alert, case, case.fires, fires=True), _test(alert, case, case.quiet, fires=False)]
    found = promtool("test", "rules", _written(tmp_path, tests))
    assert found.returncode == 0, found.stdout + found.stderr


def test_these_cases_can_fail(promtool: Promtool, tmp_path: Path) -> None:
    alert, case = next(named for named in CASES if named[0] == "ClipwardenDeadLetters")
    for wrong in (_test(alert, case, case.fires, fires=False), _test(alert, case, case.quiet, fires=True)):
        assert "FAILED" in promtool("test", "rules", _written(tmp_path, [wrong])).stderr


def _test(alert: str, case: Case, scraped: Scraped, *, fires: bool) -> dict[str, Any]:
    told = {"__name__": "ALERTS", "alertname": alert, "alertstate": "firing", "severity": case.severity} | case.labels
    labels = ",".join(f'{name}="{value}"' for name, value in told.items())
    asked = f'ALERTS{{alertname="{alert}",alertstate="firing",severity="{case.severity}"}}'
    samples = [{"labels": f"{{{labels}}}", "value": 1}] if fires else []
    return {
        "interval": _every(case),
        "input_series": [{"series": name, "values": values} for name, values in scraped.items()],
        "promql_expr_test": [{"expr": asked, "eval_time": f"{case.minutes}m", "exp_samples": samples}],
    }


def _every(case: Case) -> str:
    return "1m" if case.minutes < THREE_DAYS else "5m"


def _written(folder: Path, tests: list[dict[str, Any]]) -> str:
    file = folder / "test.yml"
    files = [str(file) for file in RULE_FILES]
    file.write_text(yaml.safe_dump({"rule_files": files, "evaluation_interval": tests[0]["interval"], "tests": tests}))
    return str(file)


def test_every_alert_has_such_a_case_and_a_page_that_says_what_to_do() -> None:
    names = {rule["alert"] for rule in alerts()}
    assert {name for name, _ in CASES} == names == {page.stem for page in RUNBOOKS.glob("Clipwarden*.md")}
    assert {rule["annotations"]["runbook_url"] for rule in alerts()} == {f"docs/runbooks/{name}.md" for name in names}
    for page in RUNBOOKS.glob("Clipwarden*.md"):
        headings = [line for line in page.read_text().splitlines() if line.startswith("#")]
        assert headings == [f"# {page.stem}", "## What it means", "## What to look at", "## What to do"], page.name


def test_rules_name_only_what_there_is() -> None:
    used = set().union(*(named(rule["expr"]) for rule in rules()))
    assert used <= series() | recorded()


def test_promtool_finds_no_fault_with_the_rules(promtool: Promtool) -> None:
    found = promtool("check", "rules", *map(str, RULE_FILES))
    assert found.returncode == 0, found.stdout + found.stderr
