"""What strangers find at a port for monitoring: three questions, and nothing of the gateway or of whose videos."""

import http.client
from contextlib import closing
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

import console_paths
from clipwarden import metrics
from clipwarden.monitoring import Group, serving
from clipwarden.processes import Supervisor
from clipwarden_local.ports import free_port

ANSWERED = ("/metrics", "/healthz", "/readyz")
OTHER_PATHS = (
    *("/", "/v1/secrets", "/v1/moderations", "/v1_1/default/ping", "/media/a/b", "/metrics/", "/metrics/../v1/secrets"),
    *("/metrics?name[]=x", "/%2e%2e/healthz", "/metrics%00", "/healthz/../../etc/passwd"),
)
OTHER_METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD")


def answered(port: int, method: str, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, headers={"Cookie": "__Host-clipwarden=x", "Authorization": "Basic a2V5OmE="})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_a_port_for_monitoring_answers_three_questions_and_no_other(tmp_path: Path) -> None:
    port, supervisor = free_port(), Supervisor(lambda _name, _event: None)
    console = [route.replace(" ", " /console").split(" ") for route in console_paths.LEAST | console_paths.OTHERS]
    with serving(("127.0.0.1", port), Group(str(tmp_path), supervisor), port="PORT"):
        for path in ANSWERED:
            assert answered(port, "GET", path)[0] == 200, path
        for method in OTHER_METHODS:
            assert {answered(port, method, path)[0] for path in (*ANSWERED, *OTHER_PATHS)} == {501}, method
        for method, path in [*console, *(("GET", path) for path in OTHER_PATHS)]:
            status, told = answered(port, method, path)
            assert status == (404 if method == "GET" else 501), (method, path)
            assert method != "GET" or told == b"there are /metrics, /healthz and /readyz\n", path


def test_figures_tell_of_no_video_and_of_accounts_only_what_they_cost() -> None:
    by_label: dict[str, set[str]] = {}
    for name, metric in vars(metrics).items():
        if isinstance(metric, MetricWrapperBase):
            for label in metric._labelnames:
                by_label.setdefault(label, set()).add(name)
    assert by_label["account"] == {"ANALYSED_SECONDS", "COST", "SAVED_SECONDS", "SAVED_COST"}
    assert not by_label.keys() & {"account_id", "asset", "asset_id", "public_id", "moderation_id", "path", "url"}
    assert not by_label.keys() & {"user", "address", "key", "api_key", "source", "origin", "endpoint"}
