"""The queue: cases by kind and status, the filters that find them, and the next one to decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from clipwarden import errors, taxonomy
from clipwarden.moderation import Kind, Status
from clipwarden.people import Role
from clipwarden.store import accounts, posters, queues, users
from clipwarden.store.engine import read
from clipwarden.store.queues import Count, Search
from clipwarden_api.console import last
from clipwarden_api.console.filters import Filters
from clipwarden_api.console.routes import saved
from clipwarden_api.console.turned import Turned
from clipwarden_api.console.visit import Visit

_PAGE = 25
#: What the tabs show, in the order in which people need it.
_TABS = (Status.PENDING, Status.REJECTED, Status.APPROVED, Status.ABORTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One status, as the tabs show it."""

    name: str
    query: str
    count: int
    oldest: datetime | None
    chosen: bool


def show(visit: Visit) -> Response:
    """Show the cases that the address asks for."""
    filters, now = Filters.read(visit.asked), visit.services.clock.now()
    with read(visit.services.engine) as conn:
        known = visible(conn, visit)
        search = filters.search(visit, known)
        counted = _counted(conn, filters, search)
        try:
            page = queues.page(conn, search, limit=_PAGE, after=visit.asked.text("after"), now=now)
        except errors.Conflict as exc:
            raise Turned(422, "This page of the queue is not there. Begin at the first one.") from exc
        holders = {one.id: one.name for one in users.every(conn)}
        done = last.read(conn, visit, now)
        kept = saved.listed(conn, visit, known)
        pictures = posters.versions(conn, [entry.asset.id for entry in page.items])
    return visit.page(
        "queue.html",
        **counted,
        filters=filters,
        kept=kept,
        pictures=pictures,
        page=page,
        accounts=known,
        holders=holders,
        kinds=list(Kind),
        categories=_categories(),
        now=now,
        decides=visit.may(Role.REVIEWER),
        last=done,
        empty=visit.asked.flag("empty"),
    )


def counts(visit: Visit) -> Response:
    """Show how much there is, as the page asks for it again and again."""
    filters, now = Filters.read(visit.asked), visit.services.clock.now()
    with read(visit.services.engine) as conn:
        counted = _counted(conn, filters, filters.search(visit, visible(conn, visit)))
    return visit.page("_counts.html", **counted, filters=filters, now=now)


def _counted(conn: Connection, filters: Filters, search: Search) -> dict[str, Any]:
    tabs = _tabs(filters, queues.counts(conn, search.account_ids))
    return {"tabs": tabs, "escalated": queues.escalated(conn, search.account_ids)}


def visible(conn: Connection, visit: Visit) -> dict[str, str]:
    """Return the names of the accounts that a person may see, by their ids."""
    return {one.id: one.name for one in accounts.every(conn) if visit.user.sees(one.id)}


def _tabs(filters: Filters, counts: Sequence[Count]) -> list[Tab]:
    wanted = [one for one in counts if filters.kind in ("", one.kind)]
    return [_tab(filters, wanted, None), *(_tab(filters, wanted, status) for status in _TABS)]


def _tab(filters: Filters, counts: Sequence[Count], status: Status | None) -> Tab:
    mine = [one for one in counts if status in (None, one.status)]
    name = "" if status is None else str(status)
    return Tab(
        name=name or "all",
        query=filters.query(status=name),
        count=sum(one.count for one in mine),
        oldest=min((one.oldest for one in mine), default=None),
        chosen=filters.status == name,
    )


def _categories() -> list[str]:
    return sorted({category.name for one in taxonomy.TAXONOMIES for category in one.categories})
