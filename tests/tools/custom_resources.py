"""Write tests/data/custom_resources.json anew: what a cluster takes of the custom resources that the chart makes.

Run by a Python with `cloudcoil.models.keda` and `cloudcoil.models.prometheus_operator`, which clipwarden does not need.
"""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MADE = Path(__file__).parents[1] / "data" / "custom_resources.json"
KINDS = {
    "ScaledObject": "cloudcoil.models.keda.v1alpha1",
    "ServiceMonitor": "cloudcoil.models.prometheus_operator.v1",
    "PrometheusRule": "cloudcoil.models.prometheus_operator.v1",
}
#: What says nothing about what is taken.
NOISE = {"title", "description", "default"}


def schema(kind: str) -> dict[str, Any]:
    """Return a kind's schema, closed to fields that it does not know."""
    found = getattr(importlib.import_module(KINDS[kind]), f"{kind}Spec").model_json_schema(by_alias=True)
    parts = found.pop("$defs", {})
    used = {name: _trimmed(parts[name]) for name in sorted(_used(found, parts))}
    closed: dict[str, Any] = _trimmed(found) | {"$defs": used}
    return closed


def _used(node: object, parts: dict[str, Any]) -> set[str]:
    """Return the names of the parts that something refers to, by way of others as well."""
    seen: set[str] = set()
    waiting = [node]
    while waiting:
        for name in set(_references(waiting.pop())) - seen:
            seen.add(name)
            waiting.append(parts[name])
    return seen


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        yield node["$ref"].rpartition("/")[2]
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for value in values:
        yield from _references(value)


def _trimmed(node: Any, *, named: bool = False) -> Any:
    """Return a part of a schema without noise; the keys of a ``named`` one are fields, not the schema's words."""
    if isinstance(node, list):
        return [_trimmed(one) for one in node if one != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _trimmed(value, named=key == "properties" and not named)
        for key, value in node.items()
        if named or key not in NOISE
    }
    if len(kept.get("anyOf", ())) == 1 and not named:
        kept |= kept.pop("anyOf")[0]
    return kept | {"additionalProperties": False} if "properties" in kept and not named else kept


if __name__ == "__main__":
    MADE.write_text(json.dumps({kind: schema(kind) for kind in KINDS}, indent=1) + "\n")
