"""An object's bytes as an answer: whole, or the one range of them that a player asks for."""

import re
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from clipwarden.media.store import Stored
from clipwarden_api.services import Services

_PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_MEDIA_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
}


def media_type(file_format: str | None) -> str:
    """Return the media type of a format; that of plain bytes for all that a browser is not to interpret."""
    return _MEDIA_TYPES.get(file_format or "", "application/octet-stream")


async def send(
    request: Request, services: Services, stored: Stored, media_type: str, *, download_name: str | None = None
) -> Response:
    """Return the answer to a GET or HEAD request for an object."""
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{stored.etag}"',
        # A verdict takes effect at once: whoever keeps a copy asks whether it is still good.
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Type": media_type if media_type in _MEDIA_TYPES.values() else "application/octet-stream",
    }
    if download_name is not None:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(download_name, safe='')}"
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    span = span_of(request.headers.get("range"), stored.bytes)
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


def span_of(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the bytes that are asked for, from and up to; ``None`` where there are none such.

    More than one range, or one that cannot be read, is answered with the whole, as RFC 9110 allows.
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or found[0] == "bytes=-":
        return 0, size
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
    return (start, end) if start < end else None


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(_PIECE):
            yield piece
