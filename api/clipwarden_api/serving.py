"""Serving: the URLs under which viewers see what is in the library, with byte ranges so that players can seek."""

import re
from datetime import timedelta

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from clipwarden import errors
from clipwarden.media.store import Stored
from clipwarden.moderation import Asset, ResourceType, Status
from clipwarden.store import accounts, library
from clipwarden.store.engine import read
from clipwarden_api import calls, rendering, sending
from clipwarden_api.refusals import not_found
from clipwarden_api.services import Services

_VERSION = re.compile(r"v\d{1,18}/")


def routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("/media/{rest:path}", _serve_signed, methods=["GET", "HEAD"]),
        Route("/{cloud}/{resource_type}/upload/{rest:path}", _serve, methods=["GET", "HEAD"]),
    ]


async def _serve(request: Request) -> Response:
    services, path = calls.services_of(request), request.path_params
    asset, stored = await run_in_threadpool(_find, services, path)
    media_type = sending.media_type(asset.format)
    if not (lifetime := services.settings.api.redirect_for):
        return await sending.send(request, services, stored, media_type)
    url = await run_in_threadpool(
        services.media.url, stored.location, expires=timedelta(seconds=lifetime), media_type=media_type
    )
    return RedirectResponse(url, status_code=302, headers={"Cache-Control": "private, no-store"})


async def _serve_signed(request: Request) -> Response:
    """Serve an object of the folder store to whoever has a URL that the store has signed."""
    services = calls.services_of(request)
    link = services.links.verify(calls.raw_path(request), request.url.query, services.clock.now())
    if link is None:
        raise not_found("media")
    stored = await run_in_threadpool(services.media.head, link.location)
    media_type = link.media_type or sending.media_type(link.location.key.rpartition(".")[2])
    return await sending.send(request, services, stored, media_type, download_name=link.download_name)


def _find(services: Services, path: dict[str, str]) -> tuple[Asset, Stored]:
    """Return what is to be served; raises Refusal for all that viewers must not see, and for what is not there."""
    if path["resource_type"] not in set(ResourceType):
        raise not_found(path["rest"][:300])
    asset = _named(services, path)
    if asset is None or asset.location is None or rendering.hidden(asset):
        raise not_found(path["rest"][:300])
    try:
        return asset, services.media.head(asset.location)
    except errors.MediaNotFound:
        raise not_found(path["rest"][:300]) from None


def _named(services: Services, path: dict[str, str]) -> Asset | None:
    kind, rest = ResourceType(path["resource_type"]), _VERSION.sub("", path["rest"], count=1)
    plain, _, extension = rest.rpartition(".")
    with read(services.engine) as conn:
        account = accounts.by_name(conn, path["cloud"])
        if account is None:
            return None
        # A public id may end like a file's name does.
        for public_id in dict.fromkeys(name for name in (plain if extension else "", rest) if name):
            name = library.Name(resource_type=kind, type="upload", public_id=public_id)
            if (asset := library.by_name(conn, account.id, name)) is None:
                continue
            present = library.moderations_of(conn, [asset.id])[asset.id]
            waits = any(one.status in (Status.PENDING, Status.QUEUED) for one in present)
            return None if waits and not account.pending_delivered else asset
    return None
