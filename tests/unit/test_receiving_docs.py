"""The receivers of the page on receiving callbacks, run as they stand."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cloudinary
import pytest

from callbacks import KEY, account
from clipwarden import callback

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
