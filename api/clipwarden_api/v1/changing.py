"""Changing what becomes of a moderation: cancelling, beginning anew, overriding and re-judging it."""

from sqlalchemy import Connection

from clipwarden import decisions, errors, labels, rejudgement
from clipwarden.moderation import Moderation as Row
from clipwarden.moderation import Status
from clipwarden.rejudgement import Judged as Opinion
from clipwarden.store import retrying
from clipwarden.store.engine import read, write
from clipwarden_api.v1 import showing
from clipwarden_api.v1.models import Judged, Rejudged
from clipwarden_api.v1.operation import Answer, Call


def cancel(call: Call) -> Answer:
    """End a moderation that is not judged yet; a job that runs goes on, and keeps its slot to its end."""
    services = call.services
    now = services.clock.now()
    with write(services.engine) as conn:
        cancelled = decisions.cancel(
            conn,
            _held(call, conn),
            by=call.by,
            reason=call.asked.reason,
            public_url=services.public_url,
            now=now,
        )
        return call.done(conn, 200, showing.shown(conn, cancelled))


def retry(call: Call) -> Answer:
    """Begin an aborted moderation anew."""
    services = call.services
    now = services.clock.now()
    with write(services.engine) as conn:
        begun = decisions.retry(conn, _held(call, conn), by=call.by, reason=call.asked.reason, now=now)
        return call.done(conn, 200, showing.shown(conn, begun))


def override(call: Call) -> Answer:
    """Record a human's verdict."""
    services = call.services
    with read(services.engine) as conn:
        before = call.moderation(conn)
    shown = labels.shown(call.services.media, call.services.settings.media.bucket, before)
    now = services.clock.now()
    with write(services.engine) as conn:
        decided = decisions.override(
            conn,
            before.id,
            status=Status(call.asked.verdict),
            by=call.by,
            labels=shown,
            public_url=services.public_url,
            now=now,
            reason=call.asked.reason,
        )
        return call.done(conn, 200, showing.shown(conn, decided))


def rejudge(call: Call) -> Answer:
    """Say what another policy says about the labels that are kept, and put it into force if that is wanted.

    Putting it into force twice is doing it once, so that its own transaction may come before the answer's.
    """
    services, asked = call.services, call.asked
    with read(services.engine) as conn:
        before = call.moderation(conn)
    bucket = services.settings.media.bucket
    found = rejudgement.rejudge(services.engine, services.media, before.id, asked.moderation, bucket=bucket)
    now = services.clock.now()
    applied = rejudgement.apply(services.engine, found, by=call.by, now=now) if asked.apply else None
    with write(services.engine) as conn:
        said = Rejudged(
            present=_judged(found.present),
            other=_judged(found.other),
            replaced=found.replaced,
            applied=showing.shown(conn, applied) if applied is not None else None,
        )
        return call.done(conn, 200, said)


def _held(call: Call, conn: Connection) -> Row:
    held = retrying.held(conn, call.id, account_id=call.caller.account.id)
    if held is None:
        raise errors.NotFound("there is no such moderation")
    return held


def _judged(opinion: Opinion) -> Judged:
    return Judged(moderation=str(opinion.policy), **opinion.verdict.to_dict())
