"""The endpoint as a process of its own: how it ends, what it leaves, what it remembers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from waiting import eventually

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

VIDEO: Any = {"S3Object": {"Bucket": "videos", "Name": "a.mp4"}}
Run = Callable[..., "tuple[subprocess.Popen[str], RekognitionClient]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    processes: list[subprocess.Popen[str]] = []
    (tmp_path / "objects" / "videos").mkdir(parents=True)
    (tmp_path / "objects" / "videos" / "a.mp4").write_bytes(b"x")

    def start(*arguments: str) -> "tuple[subprocess.Popen[str], RekognitionClient]":
        argv = ["--data", str(tmp_path / "data"), "--objects", str(tmp_path / "objects"), *arguments]
        process = subprocess.Popen(
            [sys.executable, "-m", "clipwarden_local.endpoint", *argv], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        client = boto3.session.Session(aws_access_key_id="key", aws_secret_access_key="secret").client(
            "rekognition",
            endpoint_url=line.split()[-1],
            region_name="eu-west-1",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )
        return process, client

    yield start
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def left(folder: Path) -> list[int]:
    """Return the processes whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in line:
                found.append(int(entry.name))
    return found


def test_a_kill_loses_no_result_and_fails_what_was_in_progress(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"labels": [{"path": ["Gambling"]}]}))
    process, client = run("--analyser", "scripted", "--script", str(script))
    ended = client.start_content_moderation(Video=VIDEO, ClientRequestToken="ended")["JobId"]
    assert client.get_content_moderation(JobId=ended)["JobStatus"] == "SUCCEEDED"
    (tmp_path / "objects" / "videos" / "a.mp4.script.json").write_text('{"seconds": 600}')
    running = client.start_content_moderation(Video=VIDEO, ClientRequestToken="running")["JobId"]
    process.kill()
    process.wait()

    _, client = run("--analyser", "scripted")
    reply = client.get_content_moderation(JobId=running)
    assert (reply["JobStatus"], reply["StatusMessage"]) == ("FAILED", "The analysis was interrupted.")
    assert len(client.get_content_moderation(JobId=ended)["ModerationLabels"]) == 1
    assert client.start_content_moderation(Video=VIDEO, ClientRequestToken="running")["JobId"] == running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_no_process_is_left_behind(run: Run, tmp_path: Path, number: signal.Signals) -> None:
    process, client = run("--analyser", "frames", "--workers", "2")
    eventually(lambda: len(left(tmp_path / "data")) == 3)
    client.start_content_moderation(Video=VIDEO)
    process.send_signal(number)
    assert process.wait(20) == (-signal.SIGKILL if number is signal.SIGKILL else 0)
    eventually(lambda: not left(tmp_path / "data"))
