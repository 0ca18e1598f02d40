"""The examples of the reference on callbacks, run as they stand."""

import json
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from callbacks import DECIDED_AT, KEY, account, asset, label, moderation
from clipwarden import callback
from clipwarden.moderation import Status
from clipwarden.settings import CallbackSettings

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "callbacks.md").read_text(encoding="utf-8")
#: SHA-1 of the bytes is what is shown, so any text will do; this one is not ASCII.
BODY = '{"public_id":"夏"}'


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def headers_at(seconds: float) -> dict[str, str]:
    return callback.headers(BODY, "d-1", account(), [KEY], datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize("example", examples("python"))
def test_the_python_examples_tell_genuine_callbacks_from_others(example: str) -> None:
    names: dict[str, Any] = {"API_SECRET": account().api_secret}
    exec(example, names)  # that is the point
    now = headers_at(time.time())
    assert names["genuine"](BODY.encode(), now)
    assert not names["genuine"](BODY.encode() + b" ", now)
    assert not names["genuine"](BODY.encode(), now | {"X-Cld-Signature": "0" * 40})
    assert not names["genuine"](BODY.encode(), headers_at(time.time() - 7300))


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_the_node_example_tells_genuine_callbacks_from_others() -> None:
    now = headers_at(time.time())
    cases = [
        (BODY, now),
        (BODY + " ", now),
        (BODY, now | {"X-Cld-Signature": "0" * 40}),
        (BODY, now | {"X-Cld-Signature": "short"}),
        (BODY, headers_at(time.time() - 7300)),
    ]
    given = json.dumps([(body, {name.lower(): value for name, value in headers.items()}) for body, headers in cases])
    program = f"const API_SECRET = {json.dumps(account().api_secret)}\n{examples('javascript')[0]}\n"
    program += f"console.log(JSON.stringify({given}.map(([body, headers]) => genuine(Buffer.from(body), headers))))"
    done = subprocess.run(["node", "-e", program], check=True, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout) == [True, False, False, False, False]


def test_the_body_that_is_shown_is_the_one_that_is_sent() -> None:
    sent = callback.moderation_body(
        account(),
        asset(),
        moderation(status=Status.REJECTED),
        [label()],
        public_url="https://media.example",
        triggered_at=DECIDED_AT,
    )
    assert json.loads(examples("json")[0]) == json.loads(sent)


def test_the_schedule_and_timeout_that_are_shown_are_the_defaults() -> None:
    settings = CallbackSettings()
    assert examples("text") == [",".join(f"{seconds:g}" for seconds in settings.schedule) + "\n"]
    assert f"within {settings.total_timeout:g} seconds" in PAGE
