"""The document as one page for people: no scripts, and nothing from anywhere else."""

import base64
import hashlib
from importlib.resources import files
from typing import Any

import jinja2
import markupsafe

_FILES = files("clipwarden_api.v1")
_STYLE = (_FILES / "page.css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def render(document: dict[str, Any]) -> str:
    """Return the page."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((_FILES / "page.html").read_text(encoding="utf-8"))
    return template.render(
        info=document["info"],
        style=markupsafe.Markup(_STYLE),  # noqa: S704 # ours, and what the policy's hash is of
        operations=[
            _operation(path, method, one)
            for path, methods in document["paths"].items()
            for method, one in methods.items()
        ],
        schemas=[_schema(name, one) for name, one in sorted(document["components"]["schemas"].items())],
    )


def _operation(path: str, method: str, said: dict[str, Any]) -> dict[str, Any]:
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return {
        "id": said["operationId"],
        "path": path,
        "method": method.upper(),
        "summary": said["summary"],
        "parameters": [
            {"name": one["name"], "place": one["in"], "description": one.get("description", ""), **_type(one["schema"])}
            for one in said["parameters"]
        ],
        "body": _type(body)["link"] if body else None,
        "answers": [
            {"status": status, "description": one["description"], "schema": _type(_first(one["content"]))["link"]}
            for status, one in said["responses"].items()
        ],
    }


def _schema(name: str, said: dict[str, Any]) -> dict[str, Any]:
    required = set(said.get("required", ()))
    return {
        "name": name,
        "description": said.get("description", ""),
        "values": ", ".join(map(str, said.get("enum", ()))),
        "members": [
            {"name": member, "required": member in required, "description": one.get("description", ""), **_type(one)}
            for member, one in said.get("properties", {}).items()
        ],
    }


def _first(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(content.values()))["schema"]
    return found


def _type(schema: dict[str, Any]) -> dict[str, str]:
    """Return what a value is called, and the schema that tells more of it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"type": name, "link": name}
    if "anyOf" in schema:
        each = [_type(one) for one in schema["anyOf"]]
        link = next((one["link"] for one in each if one["link"]), "")
        return {"type": " or ".join(one["type"] for one in each), "link": link}
    if schema.get("type") == "array":
        items = _type(schema.get("items", {}))
        return {"type": f"list of {items['type']}", "link": items["link"]}
    if "enum" in schema:
        return {"type": " | ".join(map(str, schema["enum"])), "link": ""}
    return {"type": str(schema.get("const", schema.get("format", schema.get("type", "any")))), "link": ""}
