"""The small picture of a video, for who may see the video."""

from starlette.responses import Response

from clipwarden import errors, ids
from clipwarden.store import assets, posters
from clipwarden.store.engine import read
from clipwarden_api.console import pages
from clipwarden_api.console.visit import Visit


def show(visit: Visit) -> Response:
    """Return the picture; its address names the bytes that it is of, so that a browser keeps it."""
    id = ids.read(visit.path["id"])
    with read(visit.services.engine) as conn:
        asset = assets.by_id(conn, id) if id is not None else None
        jpeg = posters.of(conn, asset.id) if asset is not None and visit.user.sees(asset.account_id) else None
    if jpeg is None:
        raise errors.NotFound("there is no such picture")
    headers = pages.HEADERS | {"Cache-Control": "private, max-age=3600"}
    return Response(jpeg, media_type="image/jpeg", headers=headers)
