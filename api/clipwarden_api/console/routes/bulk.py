"""Deciding all that a queue's filters find: counted first, confirmed, and done as a job that can be cancelled."""

from datetime import timedelta

from sqlalchemy import Connection
from starlette.responses import Response

from clipwarden import errors, ids
from clipwarden.people import Role
from clipwarden.policy import Policy
from clipwarden.store import bulk, queues
from clipwarden.store.bulk import Action, Job
from clipwarden.store.engine import read, write
from clipwarden_api.console.filters import Filters
from clipwarden_api.console.routes import case, decision, queue
from clipwarden_api.console.turned import Turned
from clipwarden_api.console.visit import Visit

_LISTED = 100


def ask(visit: Visit) -> Response:
    """Count what is meant, and ask what is to be done about it."""
    filters = Filters.read(visit.asked)
    with read(visit.services.engine) as conn:
        count = queues.count(conn, filters.search(visit, queue.visible(conn, visit)), limit=bulk.MOST + 1)
    return visit.page(
        "bulk.html",
        filters=filters,
        count=count,
        most=bulk.MOST,
        id=ids.new_id(),
        reasons=case.REASONS,
        chosen=visit.asked.text("action") or ("retry" if filters.status == "aborted" else "approve"),
        seconds=int(visit.console.undo),
    )


def begin(visit: Visit) -> Response:
    """Begin a job about what was counted, after the time in which a single decision could be undone."""
    filters, now = Filters.read(visit.asked), visit.services.clock.now()
    count, typed = visit.asked.text("count") or "", (visit.asked.text("typed") or "").strip().replace(",", "")
    if not count.isdecimal() or typed != count:
        raise Turned(422, "Type how many there are to confirm. Nothing was done.")
    with write(visit.services.engine) as conn:
        job = bulk.begin(
            conn,
            filters.search(visit, queue.visible(conn, visit)),
            id=_id(visit.asked.text("job")),
            user_id=visit.user.id,
            action=_action(visit),
            expected=int(count),
            due_at=now + timedelta(seconds=visit.console.undo),
            now=now,
            filters=filters.given,
            moderation=_policy(visit),
            reason=decision.reason(visit),
        )
    return visit.leads_to(f"/jobs/{job.id}")


def listing(visit: Visit) -> Response:
    """Show one's jobs; who sees to what runs, and may see everything, sees everybody's."""
    everybody = visit.may(Role.ADMIN) and visit.user.account_ids is None
    with read(visit.services.engine) as conn:
        found = bulk.listing(conn, user_id=None if everybody else visit.user.id, limit=_LISTED)
    return visit.page("jobs.html", jobs=found, now=visit.services.clock.now())


def show(visit: Visit) -> Response:
    """Show how far a job has come."""
    with read(visit.services.engine) as conn:
        job = _named(conn, visit)
    answer = visit.page("_job.html" if visit.fragment else "job.html", job=job, now=visit.services.clock.now())
    if visit.fragment and job.ended_at is not None:
        answer.headers["HX-Refresh"] = "true"  # The whole page asks no more.
    return answer


def cancel(visit: Visit) -> Response:
    """Let a job do nothing more; what is done stays."""
    with write(visit.services.engine) as conn:
        job = _named(conn, visit)
        bulk.cancel(conn, job.id, by=visit.user.name, now=visit.services.clock.now())
    return visit.leads_to(f"/jobs/{job.id}")


def _named(conn: Connection, visit: Visit) -> Job:
    job = bulk.by_id(conn, _id(visit.path["id"]))
    everybody = visit.may(Role.ADMIN) and visit.user.account_ids is None
    if job is None or not (everybody or job.user_id == visit.user.id):
        raise errors.NotFound("there is no such job")
    return job


def _id(text: str | None) -> str:
    if (id := ids.read(text or "")) is None:
        raise errors.NotFound("there is no such job")
    return id


def _action(visit: Visit) -> Action:
    wanted = visit.asked.text("action") or ""
    if wanted not in set(Action):
        raise Turned(422, "Choose what is to be done.")
    return Action(wanted)


def _policy(visit: Visit) -> str | None:
    """Return the policy of a re-judgement; raises PolicyError for one that cannot be read."""
    if _action(visit) is not Action.REJUDGE:
        return None
    text = (visit.asked.text("moderation") or "").strip()
    Policy.parse(text)
    return text
