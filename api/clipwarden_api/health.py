"""Whether the gateway lives, and whether it can work."""

from collections.abc import Callable
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clipwarden import errors
from clipwarden.moderation import Location
from clipwarden.store.migrating import require_usable
from clipwarden_api import calls
from clipwarden_api.services import Services


def routes() -> list[Route]:
    """Return the routes."""
    return [Route("/healthz", _alive, methods=["GET"]), Route("/readyz", _ready, methods=["GET"])]


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _ready(request: Request) -> Response:
    found = await run_in_threadpool(_examined, calls.services_of(request))
    # Without Redis everything that is asked of a gateway works, and verdicts wait for it.
    ready = all(state == "ok" for name, state in found.items() if name != "redis")
    return JSONResponse(found, status_code=200 if ready else 503)


def _examined(services: Services) -> dict[str, str]:
    nothing = Location(bucket=services.settings.media.bucket, key="clipwarden-readiness")
    checks: dict[str, Callable[[], object]] = {
        "database": partial(require_usable, services.engine),
        "media": partial(services.media.exists, nothing),
    }
    found = {}
    for name, check in checks.items():
        try:
            check()
            found[name] = "ok"
        except errors.ClipwardenError as exc:
            found[name] = exc.code
    together = services.allowances.together()
    return found if together is None else {**found, "redis": "ok" if together else "unavailable"}
