"""The stream that tells a page when to ask for its counters again."""

from collections.abc import AsyncIterator
from datetime import timedelta

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from clipwarden.store import sessions
from clipwarden.store.engine import read
from clipwarden_api import calls
from clipwarden_api.console import cookie, pages
from clipwarden_api.services import Services


async def serve(request: Request) -> Response:
    """Stream changes to whoever is signed in."""
    services = calls.services_of(request)
    token = cookie.token(request, services.settings.console)
    if token is None or not await run_in_threadpool(_is_good, services, token):
        return Response(status_code=401, headers=pages.HEADERS)
    if not services.changes.has_room(token):
        return Response(status_code=503, headers=pages.HEADERS | {"Retry-After": "30"})
    # X-Accel-Buffering: nginx would else keep it back.
    headers = pages.HEADERS | {"X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(services, token), media_type="text/event-stream", headers=headers)


def _stream(services: Services, token: str) -> AsyncIterator[bytes]:
    return services.changes.stream(token, lambda: _is_good(services, token))


def _is_good(services: Services, token: str) -> bool:
    now, idle = services.clock.now(), timedelta(seconds=services.settings.console.session_idle)
    with read(services.engine) as conn:
        return sessions.find(conn, token, idle=idle, now=now) is not None
