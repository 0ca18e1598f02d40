"""The examples of the page on Cloudinary's SDKs, run as they stand."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.gateway import Gateway
from sdk import shown

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "cloudinary-sdk.md"


def example(language: str, place: int = 0) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found[place])


@pytest.fixture
def environment(gateway: Gateway, tmp_path: Path) -> dict[str, str]:
    """Return the environment that the page describes, in a folder with the video that it names."""
    shutil.copy(gateway.pipeline.clips("plain"), tmp_path / "holiday.mp4")
    cloud = gateway.cloud
    named = {"KEY": cloud["api_key"], "SECRET": cloud["api_secret"], "ACCOUNT": cloud["cloud_name"]}
    url = example("sh").replace("http://127.0.0.1:8080", gateway.url)
    for name, value in named.items():
        url = url.replace(name, value)
    found = re.fullmatch(r"export CLOUDINARY_URL='(.*)'\n", url)
    assert found is not None
    node_path = str(ROOT / "tests" / "sdks" / "node_modules")
    return os.environ | named | {"CLOUDINARY_URL": found[1], "CLIPWARDEN": gateway.url, "NODE_PATH": node_path}


def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_the_python_example_uploads_lists_and_overrides(
    gateway: Gateway, environment: dict[str, str], tmp_path: Path
) -> None:
    assert run([sys.executable, "-c", example("python")], environment, tmp_path).split() == ["pending", "0"]
    assert shown(gateway, "in/holiday")["moderation_status"] == "approved"


def test_the_node_example_uploads_searches_and_overrides(
    gateway: Gateway, environment: dict[str, str], tmp_path: Path
) -> None:
    node = str(Path(sys.executable).parent / "node")
    status, count = run([node, "-e", example("js")], environment, tmp_path).split()
    assert status == "pending"
    assert int(count) <= 1  # Its verdict may have come.
    assert shown(gateway, "in/holiday")["moderation_status"] == "approved"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_commands_upload_and_look(gateway: Gateway, environment: dict[str, str], tmp_path: Path) -> None:
    del gateway
    uploaded, looked = run(["sh", "-ec", example("sh", 1)], environment, tmp_path).replace("}{", "}\n{").splitlines()
    assert json.loads(uploaded)["moderation"][0]["status"] == "pending"
    assert json.loads(looked)["public_id"] == "in/holiday"
