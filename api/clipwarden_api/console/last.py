"""The decision before: what a person has just done, and until when they can have it back."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from clipwarden import ids
from clipwarden.store import assets, moderations
from clipwarden.undoing import Undoable, undoable
from clipwarden_api.console.visit import Visit

_DONE = {
    "approved": "was approved",
    "rejected": "was rejected",
    "undone": "is as it was before",
    "skipped": "was left to others",
    "escalated": "waits for somebody else's opinion",
    "retried": "begins anew",
    "rejudged": "is being judged by the other policy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """What was done last, to be told on the next page."""

    id: str
    name: str
    told: str
    undo: Undoable | None
    seconds: int  #: For which it can still be had back.


def read(conn: Connection, visit: Visit, now: datetime) -> Last | None:
    """Return what the address says was done, if it is about something that this person may see."""
    told = _DONE.get(visit.asked.text("notice") or "")
    id = ids.read(visit.asked.text("last") or visit.path.get("id", ""))
    found = moderations.by_id(conn, id) if told and id else None
    asset = assets.by_id(conn, found.asset_id) if found is not None and visit.user.sees(found.account_id) else None
    if told is None or found is None or asset is None:
        return None
    undo = undoable(conn, found, now=now)
    seconds = int((undo.until - now).total_seconds()) if undo is not None else 0
    return Last(id=found.id, name=asset.display_name or asset.public_id, told=told, undo=undo, seconds=seconds)
