"""The API below ``/v1`` as an application of its own, whose every answer, refusals too, has the API's form."""

import json
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clipwarden_api.services import Services
from clipwarden_api.v1 import document, handling, page
from clipwarden_api.v1.operation import Operation
from clipwarden_api.v1.operations import OPERATIONS
from clipwarden_api.v1.problems import Problem


def build(services: Services) -> Starlette:
    """Return the application; paths are those behind ``/v1``."""
    app = Starlette(
        routes=[*_documents(), *(_route(path, operations) for path, operations in _by_path().items())],
        exception_handlers={HTTPException: unknown},
    )
    app.state.services = services
    return app


def _by_path() -> dict[str, dict[str, Operation]]:
    found: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        found.setdefault(operation.path, {})[operation.method] = operation
    return found


def _route(path: str, operations: Mapping[str, Operation]) -> Route:
    return Route(path, handling.handler(operations), methods=list(operations))


def _documents() -> list[Route]:
    """Return the routes of the document and its page, which anybody may read."""
    return [Route("/openapi.json", _machine, methods=["GET"]), Route("/docs", _human, methods=["GET"])]


def _machine(_: Request) -> Response:
    return Response(_written().document, media_type="application/json")


def _human(_: Request) -> Response:
    return Response(_written().page, headers=page.HEADERS, media_type="text/html")


class _Written(NamedTuple):
    document: str
    page: str


@cache
def _written() -> _Written:
    """Return the document and its page, which are the same everywhere; a gateway starts without them."""
    said = document.build(OPERATIONS)
    return _Written(json.dumps(said, separators=(",", ":")), page.render(said))


async def unknown(request: Request, error: Exception) -> Response:
    """Return the answer for a path or method that is not there."""
    assert isinstance(error, HTTPException)  # noqa: S101 # it is registered for these
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    return handling.refused(request, Problem(error.status_code, code, error.detail, headers=error.headers))
