"""Parts of uploads that come straight to the folder store, at URLs that it has signed, as S3 takes them at its own."""

import asyncio
import contextlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clipwarden.media.draft import PartDraft
from clipwarden.media.folder import FolderStore
from clipwarden_api import calls
from clipwarden_api.pace import paced
from clipwarden_api.refusals import bad, not_found
from clipwarden_api.services import Services

#: Bytes that are held in memory of a part on its way.
_PIECE = 1024**2
#: A page of any site may use a URL: it is the permission, and there are no cookies that would add to it.
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "PUT",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Expose-Headers": "ETag",
    "Access-Control-Max-Age": "3600",
}


def routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("/media/{rest:path}", _store, methods=["PUT"]),
        Route("/media/{rest:path}", _allow, methods=["OPTIONS"]),
    ]


async def _allow(_: Request) -> Response:
    """Tell a browser that a page of another site may send parts."""
    return Response(headers=_CORS)


async def _store(request: Request) -> Response:
    """Store the part that the URL permits: of the length that it says, and no other."""
    services = calls.services_of(request)
    store, query = services.media, request.url.query
    if not isinstance(store, FolderStore):
        raise not_found("media")
    link = services.links.verify_part(calls.raw_path(request), query, services.clock.now())
    if link is None:
        raise not_found("media")
    if request.headers.get("content-length") != str(link.bytes):
        raise bad(f"Content-Length must be {link.bytes}, as it was signed")
    draft = await services.room.run(store.receive, link.target, link.token, link.number)
    # Once begun it goes on to its end: two threads would otherwise be about the same file.
    etag = await asyncio.shield(services.room.start(_receive(request, services, draft, link.bytes)))
    return Response(headers=_CORS | {"ETag": f'"{etag}"'})


async def _receive(request: Request, services: Services, draft: PartDraft, size: int) -> str:
    run, count, piece = services.room.run, 0, bytearray()
    try:
        async with contextlib.aclosing(paced(request.stream(), services.settings.upload)) as body:
            async for data in body:
                count += len(data)
                piece += data
                if len(piece) >= _PIECE:
                    await run(draft.write, bytes(piece))
                    piece.clear()
        if count != size:
            raise bad(f"{size} bytes were announced, but {count} came")
        await run(draft.write, bytes(piece))
        return await run(draft.keep)
    finally:
        await run(draft.close)
