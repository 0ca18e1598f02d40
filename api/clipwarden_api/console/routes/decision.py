"""Deciding a case: approve, reject, undo, skip, escalate, begin anew or re-judge, and going on to the next."""

from datetime import timedelta

from sqlalchemy import Connection
from starlette.responses import Response

from clipwarden import decisions, errors, labels, rejudgement, undoing
from clipwarden.moderation import Moderation, Status
from clipwarden.store import audit, moderations, queues, retrying, reviews
from clipwarden.store.engine import read, write
from clipwarden_api.console.filters import Filters
from clipwarden_api.console.routes import case, queue
from clipwarden_api.console.turned import Turned
from clipwarden_api.console.visit import Visit

_VERDICTS = {"approve": Status.APPROVED, "reject": Status.REJECTED}
#: Characters of a note.
_LONGEST = 2000


def decide(visit: Visit) -> Response:
    """Approve or reject, and go on; nobody outside is told before the grace period ends."""
    wanted = _VERDICTS.get(visit.asked.text("verdict") or "")
    if wanted is None:
        raise Turned(422, "Approve or reject?")
    with read(visit.services.engine) as conn:
        named = case.named(conn, visit)
    shown = labels.shown(visit.services.media, visit.services.settings.media.bucket, named)
    now, grace = visit.services.clock.now(), timedelta(seconds=visit.console.undo)
    with write(visit.services.engine) as conn:
        undoing.override(
            conn,
            _mine(conn, visit),
            grace=grace,
            by=visit.user.name,
            now=now,
            status=wanted,
            labels=shown,
            public_url=visit.services.public_url,
            reason=reason(visit),
        )
    return _on(visit, str(wanted))


def undo(visit: Visit) -> Response:
    """Take back the last decision, as long as nobody was told of it."""
    now = visit.services.clock.now()
    with write(visit.services.engine) as conn:
        undoing.undo(conn, _held(conn, visit), by=visit.user.name, now=now)
    return _to(visit, visit.path["id"], "undone")


def skip(visit: Visit) -> Response:
    """Leave a case to others, and go on."""
    return _leave(visit, "skipped")


def escalate(visit: Visit) -> Response:
    """Ask for somebody else's opinion, and go on."""
    return _leave(visit, "escalated")


def retry(visit: Visit) -> Response:
    """Begin an aborted moderation anew."""
    now = visit.services.clock.now()
    with write(visit.services.engine) as conn:
        decisions.retry(conn, _mine(conn, visit), by=visit.user.name, reason=reason(visit), now=now)
    return _to(visit, visit.path["id"], "retried")


def rejudge(visit: Visit) -> Response:
    """Show what another policy says about the labels that are kept, or put it into force."""
    with read(visit.services.engine) as conn:
        moderation = case.named(conn, visit)
    services, parameter = visit.services, visit.asked.text("moderation") or ""
    bucket = services.settings.media.bucket
    found = rejudgement.rejudge(services.engine, services.media, moderation.id, parameter, bucket=bucket)
    if not visit.asked.flag("apply"):
        return visit.page("rejudged.html", found=found, case_id=moderation.id, filters=Filters.read(visit.asked))
    now = services.clock.now()
    made = rejudgement.apply(services.engine, found, by=visit.user.name, now=now)
    return _to(visit, made.id, "rejudged")


def following(visit: Visit) -> Response:
    """Go to the oldest case of a queue that nobody else has before them."""
    return _next(visit, None, "")


def _mine(conn: Connection, visit: Visit) -> Moderation:
    """Return the moderation, held; raises Turned where it is no longer what this person has looked at."""
    moderation = _held(conn, visit)
    if not reviews.holds(conn, moderation, visit.asked.text("claim") or "", now=visit.services.clock.now()):
        raise Turned(409, "Somebody else has taken this case since you opened it, so nothing was done. Open it again.")
    if visit.asked.text("seen") != str(moderation.decisions):
        raise Turned(
            409,
            f"This case was {moderation.status} since you opened it, so nothing was done. Open it again and look.",
        )
    return moderation


def _held(conn: Connection, visit: Visit) -> Moderation:
    named = case.named(conn, visit)
    held = retrying.held(conn, named.id, account_id=named.account_id)
    if held is None:
        raise errors.NotFound("there is no such case")
    return held


def reason(visit: Visit) -> str | None:
    """Return what a person gives as the reason, with a note; raises Turned for what is none."""
    chosen, note = visit.asked.text("reason") or "", (visit.asked.text("note") or "").strip()
    if len(note) > _LONGEST:
        raise Turned(422, f"A note has at most {_LONGEST} characters.")
    if chosen not in ("", *case.REASONS):
        raise Turned(422, "That is none of the reasons.")
    return ": ".join(part for part in (chosen, note) if part) or None


def _leave(visit: Visit, action: str) -> Response:
    now = visit.services.clock.now()
    with write(visit.services.engine) as conn:
        moderation = _mine(conn, visit)
        if action == "escalated":
            reviews.escalate(conn, moderation, by=visit.user.name, now=now)
        else:
            reviews.release(conn, moderation, now=now)
        why = reason(visit)
        audit.record(
            conn,
            account_id=moderation.account_id,
            actor=f"{moderations.BY_HUMAN}{visit.user.name}",
            action=action,
            now=now,
            moderation_id=moderation.id,
            asset_id=moderation.asset_id,
            detail={"reason": why} if why else {},
        )
    return _next(visit, moderation, action)


def _on(visit: Visit, notice: str) -> Response:
    """Go on to the next case, from which the last decision can be undone."""
    with read(visit.services.engine) as conn:
        decided = case.named(conn, visit)
    if visit.asked.flag("stay"):
        return _to(visit, decided.id, notice)
    return _next(visit, decided, notice)


def _next(visit: Visit, after: Moderation | None, notice: str) -> Response:
    filters, now = Filters.read(visit.asked), visit.services.clock.now()
    with read(visit.services.engine) as conn:
        search = filters.search(visit, queue.visible(conn, visit))
        found = queues.following(conn, search, user_id=visit.user.id, after=after, now=now)
    last = after.id if after is not None else ""
    said = {"notice": notice, "last": last}
    if found is None or found.moderation.id == last:
        return visit.leads_to(f"/{filters.query(empty='1', **said)}")
    return visit.leads_to(f"/cases/{found.moderation.id}{filters.query(**said)}")


def _to(visit: Visit, id: str, notice: str) -> Response:
    return visit.leads_to(f"/cases/{id}{Filters.read(visit.asked).query(notice=notice)}")
