"""Previews: a pending or rejected video, which viewers must not see, under a URL that one of the keys has signed.

Cloudinary's SDKs make such URLs, by ``private_download_url``: the same parameters and signature as an upload call has,
in the query. They are good for an hour, or until the ``expires_at`` that is signed.
"""

from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clipwarden import placing
from clipwarden.media.store import Stored, find
from clipwarden.moderation import Account, Asset
from clipwarden.store import library
from clipwarden.store.engine import read
from clipwarden_api import calls, credentials, sending, uploading
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import not_found
from clipwarden_api.services import Services


def routes() -> list[Route]:
    """Return the routes."""
    return [Route("/v1_1/{cloud}/{resource_type}/download", _preview, methods=["GET", "HEAD"])]


async def _preview(request: Request) -> Response:
    services = calls.services_of(request)
    asked = calls.query(request)
    name = uploading.named(calls.resource_type(request.path_params), asked)
    asset, stored = await run_in_threadpool(_find, services, request.path_params["cloud"], asked, name)
    saved = f"{name.public_id.rpartition('/')[2]}.{asset.format}" if asked.flag("attachment") else None
    return await sending.send(request, services, stored, sending.media_type(asset.format), download_name=saved)


def signed(account: Account, asset: Asset, *, expires: datetime, now: datetime) -> dict[str, str]:
    """Return the query under which an asset's bytes can be read until then, wherever they are."""
    named = {"public_id": asset.public_id, "type": asset.type, "timestamp": str(int(now.timestamp()))}
    return credentials.signed(named | {"expires_at": str(int(expires.timestamp()))}, account)


def _find(services: Services, cloud: str, asked: Parameters, name: library.Name) -> tuple[Asset, Stored]:
    """Return an asset wherever its bytes are; raises Refusal without a good signature, and where there are none."""
    now = services.clock.now()
    expires = asked.number("expires_at", default=0, least=1, most=10**11) or None
    caller = credentials.by_signature(services.engine, cloud, asked.values, now, expires=expires)
    with read(services.engine) as conn:
        asset = library.by_name(conn, caller.account.id, name)
    if asset is None or asset.deleted_at is not None or asset.location is None:
        raise not_found(name.public_id)
    # While bytes are moved, they are at one place or at both: what was at neither has come back between two looks.
    quarantine = placing.quarantine(services.settings.media.bucket, asset)
    places = (asset.location, quarantine, asset.location)
    stored = next(filter(None, (find(services.media, place) for place in places)), None)
    if stored is None:
        raise not_found(name.public_id)
    return asset, stored
