"""The examples of the page on the JSON API, run as they stand."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clipwarden.moderation import Location
from fixtures.gateway import Gateway
from fixtures.pipeline import SECRET
from json_api import JsonApi

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http-api.md"


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Let videos be taken from the folder that the page names."""
    return pipeline_settings | {"api": {"source_buckets": "uploads"}}


@pytest.fixture
def environment(gateway: Gateway, tmp_path: Path) -> dict[str, str]:
    media = gateway.services.media
    (tmp_path / "media" / "uploads").mkdir()
    with gateway.pipeline.clips("plain").open("rb") as clip:
        media.put(Location(bucket="uploads", key="holiday.mp4"), clip)
    return os.environ | {"CLIPWARDEN": gateway.url, "KEY": "key", "SECRET": SECRET}


def _examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_commands_submit_override_and_look_back(gateway: Gateway, environment: dict[str, str]) -> None:
    submit, override = _examples("sh")
    made = json.loads(_run(["sh", "-ec", submit], environment))
    assert (made["status"], made["asset"]["public_id"]) == ("pending", "in/holiday")
    gateway.pipeline.decided(made["id"])
    shown = _run(["sh", "-ec", _with_jq(override)], environment)
    assert '"status":"rejected"' in shown
    assert '"reason":"shows a logo"' in shown


def _with_jq(command: str) -> str:
    """Let Python do what jq does where there is none."""
    program = "import json, sys; print(json.load(sys.stdin)['items'][0]['id'])"
    return f'command -v jq >/dev/null || jq() {{ {sys.executable} -c "{program}"; }}\n{command}'


def test_the_program_submits_asks_and_lists(environment: dict[str, str]) -> None:
    (program,) = _examples("python")
    assert _run([sys.executable, "-c", program], environment).strip() in {"pending", "approved"}


def test_the_refusal_is_what_is_answered(gateway: Gateway) -> None:
    (shown,) = map(json.loads, _examples("json"))
    said = JsonApi(url=gateway.url).post("/v1/policy", {"moderation": "aws_rek_video:alcohl:0.5"}).json
    # The title is the standard's name of the status, which Python has as it was when that Python came out.
    assert {**said, "title": shown["title"]} == shown
