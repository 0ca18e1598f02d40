"""Filters that people keep by a name, for themselves or for everybody."""

from urllib.parse import parse_qs

from sqlalchemy import Connection
from starlette.responses import Response

from clipwarden import errors, ids
from clipwarden.people import Role
from clipwarden.store import saved_filters
from clipwarden.store.engine import write
from clipwarden.store.saved_filters import SavedFilter
from clipwarden_api.console.filters import Filters
from clipwarden_api.console.turned import Turned
from clipwarden_api.console.visit import Visit


def keep(visit: Visit) -> Response:
    """Keep the queue that the address asks for; whoever may decide for many may share it with everybody."""
    filters, now = Filters.read(visit.asked), visit.services.clock.now()
    shared = visit.asked.flag("shared")
    if shared and not visit.may(Role.SUPERVISOR):
        raise Turned(403, "Supervisors share filters; keep this one for yourself.")
    name = (visit.asked.text("name") or "").strip()
    with write(visit.services.engine) as conn:
        saved_filters.keep(conn, visit.user.id, name, filters.query().removeprefix("?"), shared=shared, now=now)
    return visit.leads_to(f"/{filters.query()}")


def forget(visit: Visit) -> Response:
    """Forget one's own filter."""
    id = ids.read(visit.path["id"])
    with write(visit.services.engine) as conn:
        if id is None or not saved_filters.forget(conn, id, user_id=visit.user.id):
            raise errors.NotFound("there is no such filter of yours")
    return visit.leads_to(f"/{Filters.read(visit.asked).query()}")


def listed(conn: Connection, visit: Visit, accounts: dict[str, str]) -> list[SavedFilter]:
    """Return the filters that a person may use: none that names an account which is not theirs to see."""
    found = saved_filters.seen_by(conn, visit.user.id)
    return [one for one in found if set(parse_qs(one.query).get("account", ())) <= set(accounts.values())]
