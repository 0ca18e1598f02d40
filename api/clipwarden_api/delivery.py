"""Delivery: the URLs under which viewers see what is in the library, with byte ranges so that players can seek."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from clipwarden import errors
from clipwarden.media.store import Stored
from clipwarden.moderation import Asset, ResourceType, Status
from clipwarden.store import accounts, library
from clipwarden.store.engine import read
from clipwarden_api import calls, rendering
from clipwarden_api.refusals import not_found
from clipwarden_api.services import Services

_PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_VERSION = re.compile(r"v\d{1,18}/")
_MEDIA_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
}


def routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("/media/{rest:path}", _deliver_signed, methods=["GET", "HEAD"]),
        Route("/{cloud}/{resource_type}/upload/{rest:path}", _deliver, methods=["GET", "HEAD"]),
    ]


async def _deliver(request: Request) -> Response:
    services, path = calls.services_of(request), request.path_params
    asset, stored = await run_in_threadpool(_find, services, path)
    return await _sent(request, services, stored, asset.format)


async def _deliver_signed(request: Request) -> Response:
    """Deliver an object of the folder store to whoever has a URL that the store has signed."""
    services = calls.services_of(request)
    raw = request.scope.get("raw_path", b"").decode("ascii", "replace").partition("?")[0]
    there = services.links.verify(raw, request.url.query, services.clock.now())
    if there is None:
        raise not_found("media")
    stored = await run_in_threadpool(services.media.head, there)
    return await _sent(request, services, stored, there.key.rpartition(".")[2])


async def _sent(request: Request, services: Services, stored: Stored, file_format: str | None) -> Response:
    span = _span(request.headers.get("range"), stored)
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{stored.etag}"',
        # A verdict takes effect at once: whoever keeps a copy asks whether it is still good.
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Type": _MEDIA_TYPES.get(file_format or "", "application/octet-stream"),
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if span is None:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{stored.bytes}"})
    start, end = span
    headers["Content-Length"] = str(end - start)
    whole = (start, end) == (0, stored.bytes)
    if not whole:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{stored.bytes}"
    if request.method == "HEAD":
        return Response(status_code=200 if whole else 206, headers=headers)
    stream = await run_in_threadpool(services.media.open, stored.location, start=start, end=end)
    return StreamingResponse(_pieces(stream), status_code=200 if whole else 206, headers=headers)


def _find(services: Services, path: dict[str, str]) -> tuple[Asset, Stored]:
    """Return what is to be delivered; raises Refusal for all that viewers must not see, and for what is not there."""
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


def _span(header: str | None, stored: Stored) -> tuple[int, int] | None:
    """Return the bytes that are asked for, from and up to; ``None`` where there are none such.

    More than one range, or one that cannot be read, is answered with the whole, as RFC 9110 allows.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or found[0] == "bytes=-":
        return 0, stored.bytes
    first, last = found.groups()
    if not first:
        start, end = max(0, stored.bytes - int(last)), stored.bytes
    else:
        start, end = int(first), min(int(last) + 1 if last else stored.bytes, stored.bytes)
    return (start, end) if start < end else None


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(_PIECE):
            yield piece
