"""The Helm chart: what it makes is what Kubernetes takes, hardened, wired to itself, and scaled by its work."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from kubernetes_validate.utils import latest_version, validate

from catalogue import series
from clipwarden.settings import Settings
from fixtures.helm import CHART, Helm, rendered
from fixtures.prometheus import Promtool
from rules import DEPLOY, RULE_FILES, named

EVERYTHING = (
    "--set=keda.enabled=true",
    "--set=monitoring.enabled=true",
    "--set=gateway.ingress.enabled=true",
    "--set=gateway.ingress.host=media.shop.example",
    "--set=gateway.ingress.tlsSecret=certificate",
    "--set=gateway.serviceAccountAnnotations.a=b",
    "--set=settings.CLIPWARDEN_MEDIA__BUCKET=shop",
    "--set=settings.CLIPWARDEN_WORKER__THREADS=4",
    "--set=networkPolicy.gatewayFrom[0].namespaceSelector.matchLabels.a=b",
)
#: What KEDA and the Prometheus operator take as ``spec``, by kind.
FOREIGN = json.loads((Path(__file__).parents[1] / "data" / "custom_resources.json").read_text())
#: The oldest Kubernetes that the chart is for, as it says itself.
OLDEST = re.findall(r"^kubeVersion: \">=([\d.]+)-0\"$", (CHART / "Chart.yaml").read_text(), re.MULTILINE)[0]

Objects = list[dict[str, Any]]


@pytest.fixture(scope="module")
def made(helm: Helm) -> Objects:
    """Return all that the chart can make."""
    return rendered(helm, *EVERYTHING)


def _of(made: Objects, kind: str, component: str | None = None) -> Objects:
    return [
        one
        for one in made
        if one["kind"] == kind and component in (None, one["metadata"]["labels"].get("app.kubernetes.io/component"))
    ]


def _pods(made: Objects) -> Objects:
    return [one["spec"]["template"] for one in (*_of(made, "Deployment"), *_of(made, "Job"))]


@pytest.mark.parametrize("values", [(), EVERYTHING], ids=["default", "everything"])
@pytest.mark.parametrize("version", [OLDEST, latest_version()])
def test_kubernetes_takes_what_the_chart_makes(helm: Helm, values: tuple[str, ...], version: str) -> None:
    made = rendered(helm, f"--kube-version={version}", *values)
    assert {one["kind"] for one in made} >= {"Deployment", "Service", "Job", "PodDisruptionBudget", "NetworkPolicy"}
    for one in made:
        if one["kind"] not in FOREIGN:
            assert validate(one, version, strict=True) == ".".join(version.split(".")[:2])
    names = [(one["kind"], one["metadata"]["name"]) for one in made]
    assert len(set(names)) == len(names)


def test_keda_and_the_operator_take_what_the_chart_makes(made: Objects) -> None:
    ours = [one for one in made if one["kind"] in FOREIGN]
    assert {one["kind"] for one in ours} == set(FOREIGN)
    for one in ours:
        jsonschema.Draft202012Validator(FOREIGN[one["kind"]]).validate(one["spec"])


@pytest.mark.parametrize(
    ("kind", "key", "wrong"),
    [
        ("ScaledObject", "minReplicas", 2),
        ("ScaledObject", "pollingInterval", "15s"),
        ("ServiceMonitor", "endpoint", []),
        ("PrometheusRule", "groups", [{"name": "x", "rules": [{"record": "x"}]}]),
    ],
)
def test_a_custom_resource_that_is_wrong_would_be_found(made: Objects, kind: str, key: str, wrong: object) -> None:
    spec = _of(made, kind)[0]["spec"] | {key: wrong}
    assert not jsonschema.Draft202012Validator(FOREIGN[kind]).is_valid(spec)


def test_helm_finds_no_fault(helm: Helm) -> None:
    found = helm("lint", "--strict", str(CHART), *EVERYTHING)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    "nonsense",
    [
        "worker.minReplicas=0",
        "worker.replicas=3",
        "settings.CLIPWARDN_X=1",
        "settings.PATH=/tmp",
        "gateway.ingress.enabled=true",
        "image.digest=sha256:12",
        "gateway.scratch=much",
        "existingSecret=",
    ],
)
def test_values_that_mean_nothing_are_refused(helm: Helm, nonsense: str) -> None:
    found = helm("template", "test", str(CHART), "--set", nonsense)
    assert found.returncode != 0
    assert "values don't meet the specifications of the schema" in found.stderr


def test_pods_can_do_nothing_but_their_work(made: Objects) -> None:
    pods = _pods(made)
    assert len(pods) == 3
    for pod in (pod["spec"] for pod in pods):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["volumeMounts"] == [{"name": "scratch", "mountPath": "/tmp"}]
            assert "memory" in container["resources"]["limits"]


def test_selectors_find_the_pods_of_their_component_and_no_others(made: Objects) -> None:
    labels = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["metadata"]["labels"] for pod in _pods(made)
    }
    selectors = [
        (one, selector) for one in made if (selector := _selector(one)) is not None and one["kind"] != "ServiceMonitor"
    ]
    assert len(selectors) >= 9
    for one, selector in selectors:
        component = one["metadata"]["labels"]["app.kubernetes.io/component"]
        assert [name for name, own in labels.items() if selector.items() <= own.items()] == [component]


def _selector(one: dict[str, Any]) -> dict[str, str] | None:
    selector = one.get("spec", {}).get("podSelector") or one.get("spec", {}).get("selector")
    return selector.get("matchLabels", selector) if selector else None


def test_probes_ask_where_something_answers(made: Objects) -> None:
    asked = {"gateway": {"/healthz", "/readyz"}, "worker": {"/healthz", "/readyz"}}
    for deployment in _of(made, "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        probes = [container[name] for name in container if name.endswith("Probe")]
        assert {probe["httpGet"]["path"] for probe in probes} == asked[container["name"]]
        settings = Settings()
        usual = {"gateway": {settings.api.port, settings.api.metrics_port}, "worker": {settings.worker.metrics_port}}
        assert set(ports.values()) == usual[container["name"]]
        assert {probe["httpGet"]["port"] for probe in probes} <= set(ports)


def test_pods_get_the_time_that_their_work_needs_to_end(helm: Helm) -> None:
    made = rendered(helm, "--set=worker.drainSeconds=100")
    worker = _of(made, "Deployment", "worker")[0]["spec"]["template"]["spec"]
    assert worker["terminationGracePeriodSeconds"] >= int(_env(made, "worker")["CLIPWARDEN_WORKER__DRAIN"]) + 20


def test_the_migration_runs_first_and_needs_nothing_of_the_release(made: Objects) -> None:
    (job,) = _of(made, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    assert "serviceAccountName" not in pod
    assert pod["containers"][0]["args"] == ["migrate"]
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "clipwarden"}}]


def _env(made: Objects, component: str) -> dict[str, str]:
    (pod,) = [pod for pod in _pods(made) if pod["metadata"]["labels"]["app.kubernetes.io/component"] == component]
    return {entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0]["env"]}


def test_settings_reach_all_kinds_of_pods(made: Objects) -> None:
    for component in ("gateway", "worker", "migrate"):
        env = _env(made, component)
        assert env["CLIPWARDEN_MEDIA__BUCKET"] == "shop"
        assert env["CLIPWARDEN_WORKER__THREADS"] == "4"
        assert all(f"#{name}=" in (DEPLOY / "settings.env").read_text() for name in env)


def test_what_the_page_on_traces_says_to_set_is_taken(helm: Helm, tmp_path: Path) -> None:
    page = (DEPLOY.parent / "docs" / "how-to" / "trace.md").read_text()
    told = dict(re.findall(r"^ *([A-Z_]+)=(\S+)$", page, re.MULTILINE))
    assert len(told) == 4
    proxied = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), "http://proxy:3128") | {"NO_PROXY": "169.254.169.254,.svc"}
    values = {"settings": told | proxied, "networkPolicy": {"dataPorts": [5432, 6379, 4318]}}
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    made = rendered(helm, f"--values={file}")
    for component in ("gateway", "worker"):
        assert (told | proxied).items() <= _env(made, component).items()
        (policy,) = _of(made, "NetworkPolicy", component)
        assert {"port": 4318} in policy["spec"]["egress"][1]["ports"]


def test_something_scales_each_deployment_and_something_keeps_one_of_it(made: Objects, helm: Helm) -> None:
    for component in ("gateway", "worker"):
        (deployment,) = _of(made, "Deployment", component)
        (scaler,) = _of(made, "HorizontalPodAutoscaler", component) or _of(made, "ScaledObject", component)
        assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
        # What scales says how many; a number here would be put into force with every upgrade.
        assert "replicas" not in deployment["spec"]
        assert len(_of(made, "PodDisruptionBudget", component)) == 1
    assert _of(rendered(helm), "Deployment", "worker")[0]["spec"]["replicas"] == 2


def test_keda_asks_prometheus_for_what_there_is(made: Objects, promtool: Promtool, tmp_path: Path) -> None:
    (scaled,) = _of(made, "ScaledObject")
    queries = [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"]]
    assert len(queries) == 4
    assert set().union(*map(named, queries)) <= series()
    scraped = {
        'clipwarden_moderations{stage="queued"}': "50x10",
        'clipwarden_slots_limit{pool="eu"}': "20x10",
        'clipwarden_slots_in_use{pool="eu"}': "13x10",
        # Others have taken slots that this pool still uses; that takes none from the first.
        'clipwarden_slots_limit{pool="us"}': "5x10",
        'clipwarden_slots_in_use{pool="us"}': "9x10",
        'clipwarden_oldest_seconds{stage="judging"}': "150x10",
        # It waits for Rekognition, or for a slot.
        'clipwarden_oldest_seconds{stage="analysing"}': "900x10",
        'clipwarden_oldest_seconds{stage="queued"}': "9000x10",
        'clipwarden_message_wait_seconds_bucket{queue="media",le="2.0"}': "0+60x10",
        'clipwarden_message_wait_seconds_bucket{queue="media",le="10.0"}': "0+120x10",
        'clipwarden_message_wait_seconds_bucket{queue="media",le="+Inf"}': "0+120x10",
        'clipwarden_bus_messages{queue="notify",state="unacknowledged"}': "5x10",
        'clipwarden_bus_messages{queue="notify",state="dead"}': "900x10",
    }
    tests = [
        _answering(queries, scraped, [8.4, 7, 150, 5]),
        # What is tried again for an hour brings no more workers than there are messages: five, by a minute each.
        _answering(queries, scraped | {'clipwarden_oldest_seconds{stage="intake"}': "3600x10"}, [8.4, 7, 300, 5]),
        # An installation in which nothing is told yet, or nothing was sent lately, keeps its least workers.
        _answering(queries, {}, [0, 0, 0, 0]),
        _answering(queries, {'clipwarden_message_wait_seconds_bucket{queue="media",le="+Inf"}': "9x10"}, [0, 0, 0, 0]),
        # What only the database tells, while pools or the bus are not to be seen.
        _answering(queries, {'clipwarden_moderations{stage="queued"}': "50x10"}, [0, 0, 0, 0]),
        _answering(queries, {'clipwarden_oldest_seconds{stage="judging"}': "150x10"}, [0, 0, 0, 0]),
    ]
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "1m", "tests": tests}))
    found = promtool("test", "rules", str(file))
    assert found.returncode == 0, found.stdout + found.stderr


def _answering(queries: list[str], scraped: dict[str, str], answers: list[float]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in scraped.items()],
        "promql_expr_test": [
            {"expr": query, "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": answer}]}
            for query, answer in zip(queries, answers, strict=True)
        ],
    }


def test_the_rules_and_dashboards_are_the_ones_beside_the_chart(made: Objects) -> None:
    (rule,) = _of(made, "PrometheusRule")
    files = [yaml.safe_load(file.read_text())["groups"] for file in reversed(RULE_FILES)]
    assert rule["spec"]["groups"] == list(itertools.chain.from_iterable(files))
    shown = {name: text for one in _of(made, "ConfigMap") for name, text in one["data"].items()}
    kept = {file.name: file.read_text() for file in (DEPLOY / "grafana" / "dashboards").glob("*.json")}
    assert {name: text.strip() for name, text in shown.items()} == {name: text.strip() for name, text in kept.items()}


def test_links_to_runbooks_begin_as_told(helm: Helm) -> None:
    made = rendered(helm, "--set=monitoring.enabled=true,monitoring.runbooks=https://runbooks.example/")
    (rule,) = _of(made, "PrometheusRule")
    links = [
        one["annotations"]["runbook_url"]
        for group in rule["spec"]["groups"]
        for one in group["rules"]
        if "alert" in one
    ]
    assert all(
        link.startswith('{{ or $externalLabels.runbooks "https://runbooks.example/" }}Clipwarden') for link in links
    )


def test_a_monitor_finds_the_service_of_its_figures(made: Objects) -> None:
    for monitor in _of(made, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        (service,) = [one for one in _of(made, "Service") if wanted.items() <= one["metadata"]["labels"].items()]
        assert service["spec"]["ports"][0]["name"] == monitor["spec"]["endpoints"][0]["port"]


def test_networks_are_closed_but_for_what_is_needed(made: Objects) -> None:
    policies = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"] for one in _of(made, "NetworkPolicy")
    }
    assert set(policies) == {"gateway", "worker", "migrate"}
    assert all(policy["policyTypes"] == ["Ingress", "Egress"] for policy in policies.values())
    # Names, and database and Redis.
    names = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    data = {"ports": [{"port": 5432}, {"port": 6379}]}
    assert all(policy["egress"][:2] == [names, data] for policy in policies.values())
    # Nobody calls a migration, and it calls nobody else.
    assert "ingress" not in policies["migrate"]
    assert len(policies["migrate"]["egress"]) == 2
    figures = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert policies["worker"]["ingress"] == [{"from": figures, "ports": [{"port": 9191}]}]
    users = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    assert policies["gateway"]["ingress"] == [
        {"from": figures, "ports": [{"port": 9192}]},
        {"from": users, "ports": [{"port": 8080}]},
    ]
    (world,) = [rule for rule in policies["worker"]["egress"] if "to" in rule]
    assert "169.254.169.254/32" in world["to"][0]["ipBlock"]["except"]
    assert world == policies["gateway"]["egress"][2]


def test_data_and_users_are_where_the_values_say(helm: Helm) -> None:
    chosen = "networkPolicy.dataTo[0].ipBlock.cidr=10.0.0.0/24,networkPolicy.dataPorts={5433,6380}"
    made = rendered(helm, f"--set={chosen}")
    where = {"ports": [{"port": 5433}, {"port": 6380}], "to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}
    assert all(policy["spec"]["egress"][1] == where for policy in _of(made, "NetworkPolicy"))
    assert {"ports": [{"port": 8080}]} in _of(made, "NetworkPolicy", "gateway")[0]["spec"]["ingress"]
