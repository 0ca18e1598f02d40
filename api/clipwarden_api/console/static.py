"""What pages are made of beside themselves: scripts and styles, at addresses that change with their bytes."""

import hashlib
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

_FOLDER = files("clipwarden_api.console") / "static"
_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@cache
def _all() -> dict[str, tuple[str, bytes]]:
    """Return each file's digest and bytes by its name."""
    found = {file.name: file.read_bytes() for file in _FOLDER.iterdir() if file.name.rpartition(".")[2] in _TYPES}
    return {name: (hashlib.sha256(data).hexdigest()[:16], data) for name, data in found.items()}


def address(name: str) -> str:
    """Return the address of a file, as pages name it."""
    return f"/console/static/{_all()[name][0]}/{name}"


async def serve(request: Request) -> Response:
    """Return a file, if the address is the one of its present bytes."""
    name = request.path_params["name"]
    digest, data = _all().get(name, ("", b""))
    if not digest or digest != request.path_params["digest"]:
        return Response(status_code=404)
    return Response(data, media_type=_TYPES[name.rpartition(".")[2]], headers=_HEADERS)
