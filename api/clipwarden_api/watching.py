"""Every request as figures and as a span: by the route that it took, never by its path, which anybody may make up."""

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipwarden import metrics, traceparent, tracing

if TYPE_CHECKING:
    from clipwarden.spans import Span

_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class Watched:
    """Counts and times requests; it stands outside of everything else."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._paths = dict(_paths(routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at what comes and goes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = perf_counter(), 0
        ended: float | None = None

        async def received() -> Message:
            message = await receive()
            metrics.UPLOADED_BYTES.inc(len(message.get("body", b"")))
            return message

        async def sent(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                # A stream is answered when it begins: it lasts for as long as somebody looks.
                ended = perf_counter() if _STREAM in message.get("headers", ()) else None
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else "other"
        with tracing.request(method, _sender(scope)) as span:
            try:
                await self._app(scope, received, sent)
            finally:
                route = self._paths.get(scope.get("endpoint"), "none")
                self._tell(route, method, status, (ended or perf_counter()) - began)
                if span is not None:
                    _describe(span, route, method, status)

    def _tell(self, route: str, method: str, status: int, seconds: float) -> None:
        # Nothing was answered to who went away before.
        metrics.HTTP_REQUESTS.labels(route, method, status or "none").inc()
        metrics.HTTP_SECONDS.labels(route).observe(seconds)


def _sender(scope: Scope) -> str | None:
    given = (value for name, value in scope["headers"] if name == traceparent.NAME.encode())
    return next((value.decode("latin-1") for value in given), None)


def _describe(span: "Span", route: str, method: str, status: int) -> None:
    span.name(f"{method} {route}")
    span.note("http.route", route)
    span.note("http.response.status_code", status)
    span.tell("ok" if status < 500 else str(status))  # noqa: PLR2004 # what is asked wrongly is not our fault


def _paths(routes: Iterable[BaseRoute], prefix: str = "") -> list[tuple[Any, str]]:
    found: list[tuple[Any, str]] = []
    for route in routes:
        if isinstance(route, Route):
            found.append((route.endpoint, prefix + route.path))
        elif isinstance(route, Mount):
            found += _paths(route.routes, prefix + route.path)
    return found
