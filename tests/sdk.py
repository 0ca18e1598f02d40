"""Calls of Cloudinary's SDK that many tests make of a gateway."""

# mypy: allow-untyped-calls

from typing import Any

from cloudinary import api, uploader

from fixtures.gateway import Gateway
from viewing import seen_at

VIDEO = {"resource_type": "video"}


def upload(gateway: Gateway, public_id: str, clip: str = "plain", **options: Any) -> dict[str, Any]:
    """Upload one of the clips."""
    file = str(gateway.pipeline.clips(clip))
    return dict(uploader.upload(file, public_id=public_id, **VIDEO, **gateway.cloud | options))


def shown(gateway: Gateway, public_id: str, **options: Any) -> dict[str, Any]:
    """Return what the gateway says of a video."""
    return dict(api.resource(public_id, **VIDEO, **gateway.cloud | options))


def bytes_at(url: str, gateway: Gateway) -> bytes | None:
    """Return what viewers are given under a URL, or ``None`` where they are given nothing."""
    return seen_at(gateway.url + url.partition("8080")[2])
