"""A real Prometheus scrapes a running stack, and finds all that rules and dashboards ask for."""

import contextlib
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalogue import catalogue
from clipwarden import Client
from clipwarden_local.ports import free_port
from clipwarden_local.receiver import Answer, Receiver
from clipwarden_local.stack import Options, Stack
from fixtures.clips import Clips
from fixtures.prometheus import Promtool, scraping
from json_api import JsonApi
from living import children_of
from rules import DEPLOY, RULE_FILES, expressions, named, recorded, rules
from scripting import order
from waiting import eventually

#: Counted when something happens that does not happen here: AWS's queues, a message or a video that comes twice.
ELSEWHERE = {
    "clipwarden_hints_total",
    "clipwarden_s3_events_total",
    "clipwarden_fenced_total",
    "clipwarden_saved_seconds_total",
    "clipwarden_saved_cost_dollars_total",
}

FAULTS = [
    {"operation": "StartContentModeration", "error": "LimitExceededException"},
    # As often as the client repeats a call by itself, and once more.
    {"operation": "GetContentModeration", "error": "InternalServerError", "times": 3},
]

DRUGS = {"path": ["Drugs & Tobacco", "Products"], "confidence": 99}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, clips: Clips) -> Iterator[Stack]:
    """Run a stack in which a video was rejected, told of, and brought back by a human; others wait, or are erased.

    Before, Rekognition had no slot at first, and then no answer; afterwards, the same video was judged by the labels
    that were there, and its receiver wanted to hear no more.
    """
    data = tmp_path_factory.mktemp("stack")
    patience = (("CLIPWARDEN_WORKER__STUCK_AFTER", "3"), ("CLIPWARDEN_REKOGNITION__REFUSED_WAIT", "1"))
    stack = Stack(Options(data=data, analyser="scripted", log_level="error", environment=patience), report=print)
    with Receiver(secret=stack.secrets().api_secret) as receiver, stack:
        folder = data / "media" / "clipwarden"
        (folder / "in.mp4").write_bytes(clips("plain").read_bytes())
        (folder / "in.mp4.script.json").write_text(json.dumps({"labels": [DRUGS]}))
        order(stack.endpoint_url, faults=FAULTS)
        with Client(stack.redis_url) as client:
            moderation_id = client.enqueue("s3://clipwarden/in.mp4", notification_url=receiver.url)
            # And others that wait: for a human, and for a receiver that is not there.
            erased_id = client.enqueue("s3://clipwarden/in.mp4", moderation="manual")
            client.enqueue("s3://clipwarden/in.mp4", moderation="manual", notification_url=receiver.url)
            client.enqueue("s3://clipwarden/none.mp4", notification_url=f"http://127.0.0.1:{free_port()}/")
        assert receiver.wait_for(moderation_id, within=60) is not None
        receiver.answer_next(Answer(status=410))
        with Client(stack.redis_url) as client:
            again_id = client.enqueue("s3://clipwarden/in.mp4", notification_url=receiver.url)
        eventually(lambda: again_id in {one.moderation_id for one in receiver.received}, within=60)
        kept = stack.secrets()
        api = JsonApi(url=f"{stack.gateway_url}/v1", key=kept.api_key, secret=kept.api_secret)
        assert api.post(f"/moderations/{moderation_id}/override", {"verdict": "approved"}).status == 200
        asset_id = api.get(f"/moderations/{erased_id}").json["asset"]["asset_id"]
        assert api.send("DELETE", f"/assets/{asset_id}", None).status == 202
        yield stack


def test_prometheus_finds_every_figure_that_rules_and_dashboards_ask_for(stack: Stack, tmp_path: Path) -> None:
    dashboards = (DEPLOY / "grafana" / "dashboards").glob("*.json")
    asked = {name for file in dashboards for expression in expressions(file) for name in named(expression)}
    asked |= {name for rule in rules() for name in named(rule["expr"])}
    with scraping(tmp_path, (stack.metrics_port, stack.gateway_metrics_port), RULE_FILES) as prometheus:

        def missing() -> set[str]:
            return asked - recorded() - ELSEWHERE - set(prometheus.get("label/__name__/values"))

        with contextlib.suppress(AssertionError):
            eventually(lambda: not missing(), within=30)
        assert missing() == set()
        # Each is of the type that the reference names.
        told = {name: found[0]["type"] for name, found in prometheus.get("metadata").items()}
        assert told.items() <= catalogue().items()
        healthy = eventually(lambda: _evaluated(prometheus.get("rules")), within=60)
        assert healthy == {"ok"}
        utilised = eventually(lambda: prometheus.get("query", query="clipwarden:slots_utilisation:ratio")["result"])
        assert [float(sample["value"][1]) for sample in utilised] == [0.0]

        def unrecorded() -> set[str]:
            return recorded() - set(prometheus.get("label/__name__/values"))

        with contextlib.suppress(AssertionError):
            eventually(lambda: not unrecorded(), within=30)
        assert unrecorded() == set()


def _evaluated(found: dict[str, list[dict[str, list[dict[str, str]]]]]) -> set[str]:
    """Return how all rules fare, once each was evaluated."""
    fared = {rule["health"] for group in found["groups"] for rule in group["rules"]}
    return fared if "unknown" not in fared else set()


def test_promtool_finds_no_fault_with_what_a_stack_serves(stack: Stack, promtool: Promtool) -> None:
    for port in (stack.metrics_port, stack.gateway_metrics_port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            found = promtool("check", "metrics", text=answer.read().decode())
        assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_a_worker_whose_dispatcher_is_stuck_is_not_healthy_until_it_goes_on(stack: Stack) -> None:
    parent = next(child for child in stack.supervisor.children if child.name == "workers").process
    assert parent is not None
    (worker,) = children_of(parent.pid)
    assert eventually(lambda: _said(stack, "readyz") == (200, "ok"))
    os.kill(worker, signal.SIGSTOP)
    try:
        status, text = eventually(lambda: answer if (answer := _said(stack, "healthz"))[0] != 200 else None) or (0, "")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert (status, text[:33]) == (503, "stuck: a loop has not looked for ")
    eventually(lambda: _said(stack, "healthz") == (200, "ok"))


def _said(stack: Stack, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/{path}", timeout=10) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode().strip()
