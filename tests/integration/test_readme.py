"""The README's examples run, and do what it says."""

import re
from pathlib import Path

import pytest

from clipwarden import message
from clipwarden.broker import build_broker

README = (Path(__file__).parents[2] / "README.md").read_text()


def _example(name: str) -> str:
    match = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", README, re.DOTALL)
    assert match is not None
    return match[1]


def test_the_producer_example_enqueues_a_video(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    program = _example("enqueue")
    assert len([line for line in program.splitlines() if line.strip()]) <= 5
    exec(program.replace("redis://127.0.0.1:6379/3", redis_url), {})
    moderation_id = capsys.readouterr().out.strip()
    broker = build_broker(redis_url)
    consumer = broker.consume(message.QUEUE)
    received = next(consumer)
    assert received is not None
    assert received.kwargs["message"]["id"] == moderation_id
    assert received.kwargs["message"]["source"] == "s3://uploads/holiday.mp4"
    consumer.ack(received)
    consumer.close()
    broker.close()


def test_the_judging_example_prints_what_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    exec(_example("judge"), {})
    assert capsys.readouterr().out.split() == ["rejected", "approved"]
    assert "This prints `rejected`, then `approved`." in README


def test_every_file_that_the_readme_links_to_exists() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (Path(__file__).parents[2] / target).exists(), target
