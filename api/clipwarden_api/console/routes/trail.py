"""The audit trail: who did what and when, to look through and to take along as CSV."""

import csv
import io
import json
import unicodedata
from collections.abc import Iterator

from starlette.responses import Response, StreamingResponse

from clipwarden import errors
from clipwarden.store import audit
from clipwarden.store.audit import AuditEvent, Search
from clipwarden.store.engine import read
from clipwarden_api.console import filters, pages
from clipwarden_api.console.routes import queue
from clipwarden_api.console.turned import Turned
from clipwarden_api.console.visit import Visit

_PAGE, _BATCH = 50, 500
_ACTIONS = ("approved", "rejected", "undone", "skipped", "escalated", "retried", "rejudged", "aborted")
_COLUMNS = ("created_at", "actor", "action", "account", "moderation_id", "asset_id", "detail")
#: With these a cell begins that a spreadsheet takes for a formula, perhaps after white space and in full width.
_FORMULA = ("=", "+", "-", "@")


def show(visit: Visit) -> Response:
    """Show a page of the trail, the newest first."""
    with read(visit.services.engine) as conn:
        known = queue.visible(conn, visit)
        try:
            found, cursor = audit.found(conn, _search(visit), limit=_PAGE, after=visit.asked.text("after"))
        except errors.Conflict as exc:
            raise Turned(422, "This page of the trail is not there. Begin at the first one.") from exc
    given = {name: visit.asked.text(name) or "" for name in ("actor", "action", "since", "before")}
    return visit.page("trail.html", events=found, accounts=known, cursor=cursor, given=given, actions=_ACTIONS)


def export(visit: Visit) -> Response:
    """Give all that was found as CSV, while it is read."""
    search = _search(visit)
    with read(visit.services.engine) as conn:
        known = queue.visible(conn, visit)
    headers = pages.HEADERS | {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(_lines(visit, search, known), media_type="text/csv", headers=headers)


def _search(visit: Visit) -> Search:
    actor = visit.asked.text("actor")
    if actor is not None and actor != "policy" and not actor.startswith("human:"):
        actor = f"human:{actor}"
    account_ids = visit.user.account_ids
    return Search(
        account_ids=account_ids,
        actor=actor,
        action=visit.asked.text("action"),
        since=filters.day(visit.asked.text("since") or ""),
        before=filters.day(visit.asked.text("before") or "", days=1),
    )


def _lines(visit: Visit, search: Search, known: dict[str, str]) -> Iterator[str]:
    yield _line(_COLUMNS)
    after: str | None = None
    while True:
        with read(visit.services.engine) as conn:
            found, after = audit.found(conn, search, limit=_BATCH, after=after)
        yield "".join(_line(_cells(one, known)) for one in found)
        if after is None:
            return


def _cells(one: AuditEvent, known: dict[str, str]) -> tuple[str, ...]:
    detail = json.dumps(one.detail, ensure_ascii=False) if one.detail else ""
    account = known.get(one.account_id, one.account_id)
    moment = one.created_at.isoformat()
    return (moment, one.actor, one.action, account, one.moderation_id or "", one.asset_id or "", detail)


def _line(cells: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(f"'{cell}" if _is_formula(cell) else cell for cell in cells)
    return line.getvalue()


def _is_formula(cell: str) -> bool:
    return unicodedata.normalize("NFKC", cell).lstrip().startswith(_FORMULA)
