"""The OpenAPI 3.1 document, made of the operations and their models."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from clipwarden.version import VERSION
from clipwarden_api.v1 import label_stream, problems
from clipwarden_api.v1.operation import Operation
from clipwarden_api.v1.policy_models import ProblemDetails

_REF = "#/components/schemas/{model}"
_ALWAYS = (401, 429, 500, 503)
_OF_A_KEY = (400, 409, 422)
_OF_A_BODY = (400, 408, 413, 415, 422)
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeated within 24 hours, the request is answered as it was; it is not done twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_REQUEST_ID = {"X-Request-Id": {"description": "Stands in the service's log, too.", "schema": {"type": "string"}}}
_LINK = {"Link": {"description": "The next page, with `rel=next`.", "schema": {"type": "string"}}}
_REPLAYED = {"Idempotent-Replayed": {"description": "`true`: from before.", "schema": {"type": "string"}}}


def build(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """Return the document."""
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(f"/v1{operation.path}", {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "clipwarden",
            "version": VERSION,
            "description": "Moderations by their ids. The account follows from the key.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "basic", "description": "The API key and its secret."}
            },
        },
    }


def _schemas(operations: tuple[Operation, ...]) -> dict[str, Any]:
    modes: dict[type[BaseModel], JsonSchemaMode] = {ProblemDetails: "validation"}
    for operation in operations:
        modes[operation.says] = "serialization"
        if operation.body is not None:
            modes[operation.body] = "validation"
    _, document = models_json_schema(list(modes.items()), ref_template=_REF)
    found: dict[str, Any] = document["$defs"]
    return found


def _operation(operation: Operation) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": {str(status): _answer(operation, status) for status in sorted(operation.statuses)}
        | {str(status): _refusal(status) for status in _refusals(operation)},
    }
    if operation.body is not None:
        schema = {"$ref": _REF.format(model=operation.body.__name__)}
        content = {"application/json": {"schema": schema}}
        said["requestBody"] = {"required": not operation.body_optional, "content": content}
    return said


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found = [_ID] if "{id}" in operation.path else []
    if operation.query is not None:
        schema = operation.query.model_json_schema()
        found += [_query(name, one, schema.get("$defs", {})) for name, one in schema["properties"].items()]
    return [*found, _KEY] if operation.changes else found


def _query(name: str, schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter; one that is left out is not null, and has no need to say so."""
    given = next((one for one in schema.get("anyOf", []) if one.get("type") != "null"), schema)
    if "$ref" in given:
        given = known[given["$ref"].rpartition("/")[2]]
    told = {key: value for key, value in given.items() if key not in {"title", "description"}}
    about = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": "query", "required": False, **about, "schema": told}


def _refusals(operation: Operation) -> list[int]:
    found = {*_ALWAYS, *operation.refusals}
    if operation.body is not None:
        found |= set(_OF_A_BODY)
    if operation.query is not None:
        found.add(422)
    if "{id}" in operation.path:
        found.add(404)
    if operation.changes:
        found |= set(_OF_A_KEY)
    return sorted(found)


def _answer(operation: Operation, status: int) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=operation.says.__name__)}
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if operation.lines:
        content[label_stream.LINES] = {"schema": {"type": "string", "description": "A Label a line, as JSON."}}
    headers = _REQUEST_ID | (_LINK if operation.paged else {}) | (_REPLAYED if operation.changes else {})
    return {"description": HTTPStatus(status).phrase, "headers": headers, "content": content}


def _refusal(status: int) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=ProblemDetails.__name__)}
    content = {problems.MEDIA_TYPE: {"schema": schema}}
    return {"description": HTTPStatus(status).phrase, "headers": _REQUEST_ID, "content": content}
