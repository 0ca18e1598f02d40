"""The examples of the page on the largest files, run as they stand."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from clipwarden.settings import MediaSettings
from clipwarden_local.ports import free_port
from fixtures.gateway import serving_gateway
from fixtures.pipeline import SECRET, Pipeline
from json_api import JsonApi

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "large-uploads.md"


@pytest.fixture
def environment(pipeline: Pipeline, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Serve a gateway that signs URLs which lead to itself, in a folder with the video that the page names."""
    port = free_port()
    settings = pipeline.services.settings
    media = settings.media.model_copy(update={"public_url": f"http://127.0.0.1:{port}"})
    shutil.copy(pipeline.clips("plain"), tmp_path / "holiday.mp4")
    with serving_gateway(settings.model_copy(update={"media": media}), port) as (url, _):
        yield os.environ | {"CLIPWARDEN": url, "KEY": "key", "SECRET": SECRET}


def _example(language: str, place: int = 0) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found[place])


def _run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_the_programs_send_their_parts_to_the_store(environment: dict[str, str], tmp_path: Path) -> None:
    said = _run([sys.executable, "-c", _example("python"), "holiday.mp4"], environment, tmp_path)
    assert said.split() == ["in/holiday", "pending"]
    if shutil.which("curl") and shutil.which("jq"):
        done = json.loads(_run(["sh", "-ec", _example("sh")], environment, tmp_path))
        assert (done["status"], done["moderations"][0]["kind"]) == ("completed", "manual")
    api = JsonApi(url=environment["CLIPWARDEN"])
    asked = {"filename": "holiday.mp4", "bytes": (tmp_path / "holiday.mp4").stat().st_size}
    made = api.post("/v1/uploads", asked)
    opened = "await require('node:fs').openAsBlob('holiday.mp4')"
    program = f"{_example('js')}\n(async () => send({made.data.decode()}, {opened}))();"
    _run([str(Path(sys.executable).parent / "node"), "-e", program], environment, tmp_path)
    assert api.post(f"/v1/uploads/{made.json['id']}/complete").json["status"] == "completed"


def test_the_rules_are_ones_that_s3_takes(s3_settings: MediaSettings) -> None:
    rules: list[dict[str, Any]] = [json.loads(_example("json", place)) for place in (0, 1)]
    client: Any = boto3.client("s3", endpoint_url=s3_settings.endpoint_url, region_name=s3_settings.region)
    client.put_bucket_lifecycle_configuration(Bucket=s3_settings.bucket, LifecycleConfiguration=rules[0])
    client.put_bucket_cors(Bucket=s3_settings.bucket, CORSConfiguration=rules[1])
    assert client.get_bucket_cors(Bucket=s3_settings.bucket)["CORSRules"] == rules[1]["CORSRules"]
