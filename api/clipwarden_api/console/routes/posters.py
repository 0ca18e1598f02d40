"""The small picture of a video, for who may see the video."""

import hashlib

from starlette.responses import Response

from clipwarden import errors, ids
from clipwarden.store import assets, posters
from clipwarden.store.engine import read
from clipwarden_api.console import pages
from clipwarden_api.console.visit import Visit


def show(visit: Visit) -> Response:
    """Return the picture; a browser that has kept it asks whether it is still there to be seen."""
    id = ids.read(visit.path["id"])
    with read(visit.services.engine) as conn:
        asset = assets.by_id(conn, id) if id is not None else None
        jpeg = posters.of(conn, asset.id) if asset is not None and visit.user.sees(asset.account_id) else None
    if jpeg is None:
        raise errors.NotFound("there is no such picture")
    etag = f'"{hashlib.sha256(jpeg).hexdigest()[:32]}"'
    headers = pages.HEADERS | {"Cache-Control": "private, no-cache", "ETag": etag}
    if visit.etag == etag:
        return Response(status_code=304, headers=headers)
    return Response(jpeg, media_type="image/jpeg", headers=headers)
