"""Videos of the folder store, by the signed URLs that it makes."""

import mimetypes
import re
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from clipwarden import errors
from clipwarden.media.folder import FolderStore
from clipwarden.media.links import Links
from clipwarden.moderation import Location

_RANGE = re.compile(r"bytes=(?P<first>\d{0,15})-(?P<last>\d{0,15})", re.ASCII)
_PIECE = 1 << 16


class SignedMedia:
    """Serves objects to whoever has a URL that the store has signed and that is not too old."""

    def __init__(self, store: FolderStore, links: Links, clock: Callable[[], float]) -> None:
        self._store = store
        self._links = links
        self._clock = clock

    def serve(self, request: BaseHTTPRequestHandler, path: str, query: str) -> None:
        """Answer a GET or HEAD request whole, or with the one range of bytes that it asks for.

        ``path`` and ``query`` are as they stand in the request, still percent-encoded.
        """
        location = self._links.verify(path, query, datetime.fromtimestamp(self._clock(), UTC))
        if location is None:
            _refuse(request, HTTPStatus.FORBIDDEN)
            return
        try:
            self._send(request, location)
        except (errors.MediaNotFound, errors.SourceRefused):
            _refuse(request, HTTPStatus.NOT_FOUND)

    def _send(self, request: BaseHTTPRequestHandler, location: Location) -> None:
        with self._store.open(location) as file:
            size = file.seek(0, 2)
            asked = request.headers.get("Range")
            span = (0, size) if asked is None else span_of(asked, size)
            if span is None:
                _refuse(request, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, content_range=f"bytes */{size}")
                return
            start, end = span
            request.send_response(HTTPStatus.OK if asked is None else HTTPStatus.PARTIAL_CONTENT)
            request.send_header("Content-Type", _type_of(location.key))
            request.send_header("Content-Length", str(end - start))
            request.send_header("Accept-Ranges", "bytes")
            request.send_header("Cache-Control", "private, no-store")
            request.send_header("X-Content-Type-Options", "nosniff")
            if asked is not None:
                request.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            request.end_headers()
            if request.command == "HEAD":
                return
            file.seek(start)
            left = end - start
            while left > 0 and (piece := file.read(min(_PIECE, left))):
                request.wfile.write(piece)
                left -= len(piece)


def span_of(asked: str, size: int) -> tuple[int, int] | None:
    """Return start and end of a ``Range`` of one span (RFC 9110 §14.1.2); ``None`` where it cannot be met."""
    match = _RANGE.fullmatch(asked.strip())
    if match is None or not (match["first"] or match["last"]):
        return None
    if not match["first"]:
        start, end = max(0, size - int(match["last"])), size
    else:
        start, end = int(match["first"]), min(size, int(match["last"]) + 1 if match["last"] else size)
    return (start, end) if start < end else None


def _type_of(key: str) -> str:
    """Return the type of a video; everything else is bytes that no browser runs."""
    guessed = mimetypes.guess_type(key)[0] or ""
    return guessed if guessed.startswith("video/") else "application/octet-stream"


def _refuse(request: BaseHTTPRequestHandler, status: HTTPStatus, *, content_range: str | None = None) -> None:
    request.send_response(status)
    if content_range is not None:
        request.send_header("Content-Range", content_range)
    request.send_header("Content-Length", "0")
    request.end_headers()
