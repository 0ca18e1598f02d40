"""The gateway as an ASGI application: which path leads to which call, and what every answer carries."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clipwarden import errors, logs, metrics
from clipwarden_api import admin, ending, health, parts, previews, refusals, serving, upload_api
from clipwarden_api.cautions import Cautious, warned
from clipwarden_api.console import app as console
from clipwarden_api.guessing import Guessing
from clipwarden_api.lingering import Lingering
from clipwarden_api.refusals import Refusal
from clipwarden_api.services import Services
from clipwarden_api.v1 import app as v1
from clipwarden_api.v1 import handling
from clipwarden_api.watching import Watched

log = logs.logger(__name__)

#: Seconds between two looks for uploads that became nothing.
_EVERY = 600.0


def build(services: Services) -> Starlette:
    """Return the application."""
    routes = [
        *health.routes(),
        Mount("/v1", app=v1.build(services)),
        *([Mount("/console", app=console.build(services))] if services.settings.console.enabled else []),
        *upload_api.routes(),
        *admin.routes(),
        *previews.routes(),
        *parts.routes(),
        *serving.routes(),
    ]
    app = Starlette(
        routes=routes,
        lifespan=_lifespan,
        middleware=[
            Middleware(Watched, routes=routes),
            Middleware(Cautious),
            Middleware(Lingering),
            Middleware(_Identified),
            Middleware(Guessing, settings=services.settings.api, refused=_turned_away),
        ],
        exception_handlers={
            Refusal: _refused,
            ClientDisconnect: _gone,
            errors.ClipwardenError: _failed,
            HTTPException: _unknown,
            Exception: _broken,
        },
    )
    app.state.services = services
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    services: Services = app.state.services
    over = asyncio.Event()
    beating, sweeping = asyncio.create_task(_beat()), asyncio.create_task(_sweep(services, over))
    yield
    beating.cancel()
    over.set()
    await services.room.close()
    # These are not cancelled: their threads would go on without a database, which is closed after this.
    await services.changes.close()
    await sweeping


async def _beat() -> None:
    """Tell the supervisor over and over that the event loop goes round."""
    while True:
        metrics.BEAT.labels("asyncio").set_to_current_time()
        await asyncio.sleep(1)


async def _sweep(services: Services, over: asyncio.Event) -> None:
    """Clear away, now and then, what came in and became nothing."""
    while not over.is_set():
        more = False
        try:
            more = await run_in_threadpool(ending.sweep, services)
        except errors.ClipwardenError as exc:
            log.warning("uploads not cleared away", code=exc.code, reason=str(exc))
        except Exception:
            log.exception("uploads not cleared away")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 1 if more else _EVERY)


class _Identified:
    """Gives each request an id, which its answer and its log lines carry, and takes doubled slashes out of its path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        while "//" in scope["path"]:
            scope["path"] = scope["path"].replace("//", "/")

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        if any(character < " " for character in scope["path"]):
            # No name has these, and PostgreSQL takes no NUL.
            refusal = await _unknown(Request(scope), HTTPException(404))
            await refusal(scope, receive, identified)
            return
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, identified)


async def _refused(_: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)  # noqa: S101 # it is registered for these
    return _told(refusal)


def _turned_away(request: Request, refusal: Refusal) -> Response:
    """Return the answer that refuses a request before any route sees it, in the form of the API that it is for."""
    return handling.refused(request, refusal) if request.scope["path"].startswith("/v1/") else _told(refusal)


def _told(refusal: Refusal) -> Response:
    message = refusal.message.encode("ascii", "replace").decode()[:1000]
    told = "".join(character if character.isprintable() else " " for character in message)
    headers = {"X-Cld-Error": told, "Connection": "close"}
    headers |= refusal.headers
    return JSONResponse({"error": {"message": refusal.message}}, status_code=refusal.status, headers=headers)


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.ClipwardenError)  # noqa: S101 # it is registered for these
    refusal = refusals.of(error)
    if refusal.status >= 500:  # noqa: PLR2004 # ours
        log.error("request failed", code=error.code, reason=str(error), path=request.url.path)
    return await _refused(request, refusal)


async def _gone(request: Request, _: Exception) -> Response:
    log.info("client went away", path=request.url.path[:300])
    return Response(status_code=400)  # Nobody reads it.


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 # it is registered for these
    if request.scope["path"].startswith("/v1/"):
        # Starlette's mounts pass over paths with a line break.
        return await v1.unknown(request, error)
    if error.status_code == 404:  # noqa: PLR2004 # no such path
        return await _refused(request, refusals.not_found(request.url.path[:300]))
    return await _refused(request, Refusal(400, error.detail))


async def _broken(request: Request, error: Exception) -> Response:
    log.error("request broke", path=request.url.path, exc_info=error)
    return warned(await _refused(request, Refusal(500, "Internal error; its reason is in the service's log")))
