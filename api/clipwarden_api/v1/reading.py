"""Looking at moderations: one, pages of them, and what was done to one."""

from urllib.parse import urlencode

from pydantic import BaseModel
from sqlalchemy import Connection

from clipwarden import errors
from clipwarden.store import audit, moderations
from clipwarden.store.engine import read
from clipwarden_api.v1 import problems, showing
from clipwarden_api.v1.models import AuditEvent, AuditPage, ModerationPage
from clipwarden_api.v1.operation import Answer, Call


def show(call: Call) -> Answer:
    """Return one moderation."""
    with read(call.services.engine) as conn:
        return Answer.of(showing.shown(conn, call.moderation(conn)))


def listing(call: Call) -> Answer:
    """Return a page of the account's moderations, the newest first."""
    asked = call.query

    def find(conn: Connection) -> ModerationPage:
        page = moderations.page(
            conn,
            account_id=call.caller.account.id,
            kind=asked.kind,
            status=asked.status,
            stage=asked.stage,
            since=asked.created_since,
            before=asked.created_before,
            after=asked.cursor,
            limit=asked.limit,
        )
        return ModerationPage(items=showing.all_shown(conn, page.items), next=page.next_cursor)

    try:
        found = call.services.listings.ask(find)
    except errors.Conflict as exc:
        raise problems.fault("?cursor", str(exc)) from exc
    return paged(call, found, found.next)


def history(call: Call) -> Answer:
    """Return a page of what was done to a moderation, the oldest first."""
    with read(call.services.engine) as conn:
        moderation = call.moderation(conn)
        try:
            events, cursor = audit.page(conn, moderation.id, limit=call.query.limit, after=call.query.cursor)
        except errors.Conflict as exc:
            raise problems.fault("?cursor", str(exc)) from exc
    items = [
        AuditEvent(id=one.id, actor=one.actor, action=one.action, detail=one.detail, created_at=one.created_at)
        for one in events
    ]
    return paged(call, AuditPage(items=items, next=cursor), cursor)


def paged(call: Call, said: BaseModel, cursor: str | None) -> Answer:
    """Return the answer that a page is, with the way to the next one."""
    if cursor is None:
        return Answer.of(said)
    asked = call.query.model_dump(mode="json", exclude_none=True, exclude_unset=True) | {"cursor": cursor}
    return Answer.of(said, Link=f'<{call.path}?{urlencode(asked)}>; rel="next"')
