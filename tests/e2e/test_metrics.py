"""Metrics: the reference names all of them, and a running stack serves them."""

import os
import re
import signal
import urllib.request
from pathlib import Path

from catalogue import catalogue, labels
from clipwarden import Client
from clipwarden_local.receiver import Receiver
from clipwarden_local.stack import Options, Stack
from fixtures.clips import Clips
from living import children_of
from waiting import eventually

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"

#: What rules want to see grow, and has not happened yet.
NOUGHTS = [
    'clipwarden_moderations_total{decided_by="policy",status="aborted"}',
    'clipwarden_deliveries{stage="failed"}',
    'clipwarden_endpoints{state="disabled"}',
]


def _scrape(stack: Stack) -> str:
    with urllib.request.urlopen(stack.metrics_url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def _total(text: str, sample: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(sample))


def test_a_running_stack_serves_metrics_that_the_reference_names_and_restarts_do_not_lose_counts(
    tmp_path: Path, clips: Clips
) -> None:
    stack = Stack(Options(data=tmp_path, analyser="scripted", log_level="error", processes=2), report=print)
    with Receiver(secret=stack.secrets().api_secret) as receiver, stack:
        (tmp_path / "media" / "clipwarden" / "in.mp4").write_bytes(clips("plain").read_bytes())
        with Client(stack.redis_url) as client:
            moderation_id = client.enqueue("s3://clipwarden/in.mp4", notification_url=receiver.url)
            assert receiver.wait_for(moderation_id, within=60) is not None
        decided = 'clipwarden_moderations_total{decided_by="policy",status="approved"}'
        text = eventually(lambda: _scrape(stack) if _total(_scrape(stack), decided) == 1 else "", within=20)
        served = set(re.findall(r"^# TYPE (clipwarden_\w+)", text, re.MULTILINE))
        # Of most metrics with labels, nothing is served before it was counted for the first time.
        assert (
            {"clipwarden_actor_seconds", "clipwarden_slots", "clipwarden_oldest_seconds"} < served <= set(catalogue())
        )
        # But of those whose growth tells a person: the first value of a series is no growth.
        assert {f"{sample} 0.0" for sample in NOUGHTS} <= set(text.splitlines())
        _kill_workers(stack)
        assert _total(_scrape(stack), decided) == 1


def test_the_reference_names_every_metric_there_is_and_its_type() -> None:
    assert _typed() == catalogue()


def test_the_reference_names_the_labels_of_every_metric() -> None:
    said = {name: tuple(re.findall(r"`(\w+)`", cells[1])) for name, cells in _described().items()}
    assert said == labels()


def _typed() -> dict[str, str]:
    return {name: cells[0].split(",")[0].strip() for name, cells in _described().items()}


def _described() -> dict[str, list[str]]:
    """Return what stands beside the name of each metric: its type and its labels."""
    rows = [line.split("|")[1:4] for line in REFERENCE.read_text().splitlines() if line.startswith("| `clipwarden_")]
    return {name: cells for names, *cells in rows for name in re.findall(r"`(clipwarden_\w+)`", names)}


def _kill_workers(stack: Stack) -> None:
    parent = next(child for child in stack.supervisor.children if child.name == "workers").process
    assert parent is not None
    before = children_of(parent.pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(children_of(parent.pid) - before) == 2, within=30)
