"""The console as an application of its own, below ``/console``."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from clipwarden_api.console import pages, screen, static
from clipwarden_api.console.routes import events
from clipwarden_api.console.screen import Screen
from clipwarden_api.console.screens import SCREENS
from clipwarden_api.services import Services


def build(services: Services) -> Starlette:
    """Return the application; paths are those behind ``/console``."""
    app = Starlette(routes=routes(), exception_handlers={HTTPException: _unknown})
    app.state.services = services
    return app


def routes() -> list[BaseRoute]:
    """Return all routes."""
    found: dict[str, dict[str, Screen]] = {}
    for one in SCREENS:
        found.setdefault(one.path, {})[one.method] = one
    return [
        Route("/events", events.serve, methods=["GET"]),
        Route("/static/{digest}/{name}", static.serve, methods=["GET"]),
        *(Route(path, screen.handler(by_method), methods=list(by_method)) for path, by_method in found.items()),
    ]


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 # it is registered for these
    message = {404: "There is no such page."}.get(error.status_code, error.detail)
    return pages.answer("turned.html", status=error.status_code, visit=screen.stranger(request), message=message)
