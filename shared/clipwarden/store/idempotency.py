"""Requests that may be repeated: each is worked on by one at a time, and answered the same for a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clipwarden import errors, ids
from clipwarden.store import rows
from clipwarden.store.schema import idempotent_requests

_c = idempotent_requests.c

#: How long an answer is kept.
KEPT = timedelta(hours=24)
#: How long somebody who works on a request may say nothing before it is taken for dead.
HELD = timedelta(minutes=2)
#: The status of requests whose answers told of what was erased since.
_GONE = 410
#: Old answers that go with each new request, so that nobody has to sweep.
_SWEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for under a key of an account."""

    account_id: str
    key: str
    fingerprint: str  #: Tells this request from any other.


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to answer a request, as long as nobody else has it."""

    id: str
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request was answered with."""

    status: int
    body: str


def claim(conn: Connection, request: Request, *, now: datetime) -> Claim | Answer:
    """Return the right to answer a request, or the answer that it has; raises KeyReused, KeyInUse and NotFound."""
    _sweep(conn, now)
    mine = Claim(id=ids.new_id(), request=request)
    values = {
        "fingerprint": request.fingerprint,
        "claim": mine.id,
        "claimed_until": now + HELD,
        "status": None,
        "body": None,
        "created_at": now,
        "expires_at": now + KEPT,
    }
    named = {"id": ids.new_id(), "account_id": request.account_id, "key": request.key}
    if rows.insert_unless_present(conn, idempotent_requests, named | values) is not None:
        return mine
    query = sa.select(idempotent_requests).where(*_is(request)).with_for_update()
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        raise errors.KeyInUse("the request was withdrawn at this moment: repeat it")
    if row["expires_at"] > now:
        if row["fingerprint"] != request.fingerprint:
            raise errors.KeyReused("this Idempotency-Key was used for another request: make up a new one")
        if row["status"] == _GONE:
            raise errors.NotFound("what this request has led to was erased since")
        if row["status"] is not None:
            return Answer(status=row["status"], body=row["body"])
        if row["claimed_until"] > now:
            raise errors.KeyInUse("the same request is being worked on: repeat it in a moment")
    conn.execute(sa.update(idempotent_requests).where(*_is(request)).values(**values))
    return mine


def keep(conn: Connection, claim: Claim, answer: Answer) -> None:
    """Keep the answer, in the transaction of what it tells of; raises KeyInUse when somebody else has taken over."""
    held = sa.update(idempotent_requests).where(*_is(claim.request), _c.claim == claim.id)
    if conn.execute(held.values(status=answer.status, body=answer.body)).rowcount != 1:
        raise errors.KeyInUse("the request took too long and was begun anew: repeat it")


def withdraw(conn: Connection, claim: Claim) -> None:
    """Let a request that was refused, and so has changed nothing, be made again."""
    held = (*_is(claim.request), _c.claim == claim.id, _c.status.is_(None))
    conn.execute(sa.delete(idempotent_requests).where(*held))


def redact(conn: Connection, account_id: str, ids: Sequence[str], *, now: datetime) -> None:
    """Let answers that name one of these ids be kept no more: who repeats such a request is told so.

    Those that are too old to be repeated go at once: nobody else may come to sweep them.
    """
    shown = [form for id in ids for form in (id, id.replace("-", ""))]
    named = sa.and_(_c.account_id == account_id, sa.or_(*(_c.body.contains(form, autoescape=True) for form in shown)))
    conn.execute(sa.delete(idempotent_requests).where(named, _c.expires_at <= now))
    conn.execute(sa.update(idempotent_requests).where(named).values(status=_GONE, body=None))


def _is(request: Request) -> tuple[sa.ColumnElement[bool], ...]:
    return _c.account_id == request.account_id, _c.key == request.key


def _sweep(conn: Connection, now: datetime) -> None:
    old = sa.select(_c.id).where(_c.expires_at <= now).order_by(_c.expires_at).limit(_SWEPT)
    conn.execute(sa.delete(idempotent_requests).where(_c.id.in_(old.with_for_update(skip_locked=True))))
