"""What is ordered of the scripted endpoint over HTTP, and what it has written down."""

import json
import urllib.request
from typing import Any


def order(endpoint_url: str, **orders: Any) -> None:
    """Tell the endpoint what jobs find, or what it does to the next calls."""
    request = urllib.request.Request(f"{endpoint_url}/_script", json.dumps(orders).encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


def journal(endpoint_url: str) -> dict[str, Any]:
    """Return what the endpoint counts of its calls, and the first of them."""
    with urllib.request.urlopen(f"{endpoint_url}/_journal", timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found
