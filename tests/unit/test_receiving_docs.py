"""The receivers of the page on receiving callbacks, run as they stand."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cloudinary
import pytest

from callbacks import KEY, account
from clipwarden import callback

SDKS = Path(__file__).parents[1] / "sdks"
PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "receive-callbacks.md").read_text(encoding="utf-8")
BODY = json.dumps({"notification_type": "moderation", "moderation_status": "rejected", "public_id": "a"})


@pytest.mark.parametrize("example", re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_the_receivers_take_genuine_callbacks_and_no_others(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", KEY)
    configure: Any = cloudinary.config
    configure(api_secret=account().api_secret)
    worked_on: list[Any] = []
    seen: Any = {"seen_before": lambda _: False, "hide": worked_on.append, "handle": worked_on.append}
    names: dict[str, Any] = {**seen, "__name__": "example"}
    exec(example, names)  # that is the point
    client = names["app"].test_client()
    sent = callback.headers(BODY, "d-1", account(), [KEY], datetime.now(UTC))
    assert client.post("/moderated", data=BODY, headers=sent).status_code == 204
    assert len(worked_on) == 1
    assert client.post("/moderated", data=BODY + " ", headers=sent).status_code == 400
    forged = sent | {"X-Cld-Signature": "0" * 40, "webhook-signature": "v1,AAAA"}
    assert client.post("/moderated", data=BODY, headers=forged).status_code == 400
    assert len(worked_on) == 1


@pytest.mark.parametrize("example", re.findall(r"^```javascript\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_so_do_those_of_node(example: str, tmp_path: Path) -> None:
    script = tmp_path / "example.cjs"
    script.write_text(example, encoding="utf-8")
    found = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    secrets = {"WEBHOOK_SECRET": KEY, "CLOUDINARY_URL": f"cloudinary://key:{account().api_secret}@demo"}
    argv = ["node", str(SDKS / "receiver.cjs"), str(script)]
    with subprocess.Popen(
        argv, env={**os.environ, "PATH": found, **secrets}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        url = f"http://127.0.0.1:{int(node.stdout.readline())}/moderated"
        sent = callback.headers(BODY, "d-1", account(), [KEY], datetime.now(UTC))
        forged = sent | {"X-Cld-Signature": "0" * 40, "webhook-signature": "v1,AAAA"}
        assert [_posted(url, BODY + " ", sent), _posted(url, BODY, forged)] == [400, 400]
        assert _posted(url, BODY, sent) == 204
        assert node.stdout.readline() == "a\n", "it is the first that was handled"


def _posted(url: str, body: str, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, data=body.encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
