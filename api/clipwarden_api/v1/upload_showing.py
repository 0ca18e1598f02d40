"""Uploads in parts as answers say them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import Connection

from clipwarden.media.store import MediaStore, Part
from clipwarden.moderation import Location
from clipwarden.store import library
from clipwarden.store.uploads import Upload as Row
from clipwarden_api.v1 import showing
from clipwarden_api.v1.models import AssetNamed, Moderation
from clipwarden_api.v1.slices import Slices
from clipwarden_api.v1.upload_models import PartPaging, Upload, UploadPart

#: Missing parts of a page where nobody says how many.
_PAGE = PartPaging().limit
#: Least time that a URL is signed for.
_SOON = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the missing parts."""

    items: list[UploadPart]
    next: str | None


_NOTHING = Page(items=[], next=None)


def page(
    store: MediaStore,
    target: Location,
    token: str,
    missing: Sequence[int],
    slices: Slices,
    *,
    expires: timedelta,
    limit: int = _PAGE,
) -> Page:
    """Return the first of the missing parts, with their URLs."""
    sizes = {number: slices.size(number) for number in missing[:limit]}
    urls = store.part_urls(target, token, sizes, expires=max(expires, _SOON))
    return Page(
        items=[UploadPart(number=number, bytes=sizes[number], url=url) for number, url in urls.items()],
        next=str(missing[limit - 1]) if len(missing) > limit else None,
    )


def opened(row: Row, id: str, slices: Slices, arrived: Sequence[Part], page: Page) -> Upload:
    """Return what is said of an upload that goes on."""
    received = sum(one.bytes for one in slices.whole(arrived).values())
    return _said(row, id, "open", received=received, page=page)


def completed(conn: Connection, row: Row, id: str) -> Upload:
    """Return what is said of an upload that has become an asset; of that, nothing where it is gone."""
    asset = library.by_id(conn, row.account_id, row.asset_id or "")
    found = library.moderations_of(conn, [asset.id])[asset.id] if asset is not None else []
    return _said(
        row,
        id,
        "completed",
        received=row.parameters["total"],
        asset=showing.named(asset, asset.version) if asset is not None else None,
        moderations=showing.all_shown(conn, found),
    )


def discarded(row: Row, id: str) -> Upload:
    """Return what is said of an upload that is no more."""
    return _said(row, id, "discarded", received=0)


def _said(
    row: Row,
    id: str,
    status: Literal["open", "completed", "discarded"],
    *,
    received: int,
    page: Page = _NOTHING,
    asset: AssetNamed | None = None,
    moderations: Sequence[Moderation] = (),
) -> Upload:
    slices = Slices.of(row)
    return Upload(
        id=id,
        status=status,
        filename=row.parameters["filename"],
        bytes=slices.bytes,
        part_bytes=slices.part_bytes,
        part_count=slices.count,
        received_bytes=received,
        missing=page.items,
        next=page.next,
        expires_at=row.expires_at,
        asset=asset,
        moderations=list(moderations),
    )
