"""The units for hosts without containers: sound by systemd's own check, and closed as far as they can be."""

import argparse
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from clipwarden.cli import migrate
from clipwarden.settings import Settings
from fixtures.prometheus import Promtool
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
    for unit in UNITS.glob("*.service"):
        text = unit.read_text().replace("/opt/clipwarden/bin/clipwarden", "/bin/true")
        (tmp_path / unit.name).write_text(text)
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
            for order in ("Wants=", "After="):
                assert "clipwarden-migrate.service" in next(
                    line for line in unit.splitlines() if line.startswith(order)
                )


def test_the_migration_waits_for_a_database_that_is_late_and_no_service_stays_down_for_its_failure() -> None:
    (command,) = re.findall(
        r"^ExecStart=/opt/clipwarden/bin/clipwarden (.*)", (UNITS / OURS[0]).read_text(), re.MULTILINE
    )
    parser = argparse.ArgumentParser()
    migrate.configure(parser)
    assert parser.parse_args(command.split()[1:]).wait >= 300
    assert not any("Requires=" in (UNITS / name).read_text() for name in OURS)


def test_what_the_folder_has_is_what_is_installed_and_no_more() -> None:
    assert {path.name for path in UNITS.iterdir()} == {*OURS, "clipwarden.sysusers"}


def test_all_services_are_closed_in_the_same_way() -> None:
    closed = [
        unit.read_text().split("# Nothing of the system")[1].split("\n\n")[0].strip()
        for unit in map(UNITS.joinpath, OURS)
    ]
    assert len(set(closed)) == 1


def test_the_page_tells_prometheus_where_figures_and_rules_are(promtool: Promtool, tmp_path: Path) -> None:
    page = (DEPLOY.parent / "docs" / "how-to" / "install-systemd.md").read_text()
    (told,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "prometheus.yml"
    file.write_text(told.replace("/etc/prometheus/clipwarden", str(DEPLOY / "prometheus")))
    found = promtool("check", "config", str(file))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "2 rule files found" in found.stdout
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in yaml.safe_load(told)["scrape_configs"]}
    worker, api = Settings().worker, Settings().api
    assert jobs == {
        "clipwarden-worker": [f"{worker.metrics_host}:{worker.metrics_port}"],
        "clipwarden-gateway": [f"{api.metrics_host}:{api.metrics_port}"],
    }


def test_the_page_gives_grafana_what_there_is() -> None:
    page = (DEPLOY.parent / "docs" / "how-to" / "install-systemd.md").read_text()
    provisioning = DEPLOY / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "clipwarden.yaml").read_text())["providers"]
    assert f"--target-directory {provider['options']['path']} deploy/grafana/dashboards/*.json" in page
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert f"sed 's|{source['url']}|http://127.0.0.1:9090|'" in page
    assert all((DEPLOY.parent / path).exists() for path in re.findall(r"deploy/grafana/[\w/]+\.yaml", page))
