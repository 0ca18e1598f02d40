"""Telling an account's endpoints of uploads, before anything is judged."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from clipwarden import callback, ids, telling
from clipwarden.moderation import Asset, Moderation
from clipwarden_api import rendering
from clipwarden_api.credentials import Caller

UPLOAD = "upload"


def uploaded(
    conn: Connection,
    caller: Caller,
    asset: Asset,
    present: Sequence[Moderation],
    named: Sequence[str],
    *,
    public_url: str,
    now: datetime,
) -> None:
    """Have told what the uploader is answered, in the transaction that stores the asset."""
    if not telling.anybody(conn, caller.account, UPLOAD, named):
        return
    answer = rendering.uploaded(caller, asset, present, public_url=public_url)
    body = callback.upload_body(caller.account, answer, request_id=ids.new_id().replace("-", ""), triggered_at=now)
    telling.tell(conn, caller.account, {UPLOAD: body}, named=named, now=now, asset_id=asset.id)
