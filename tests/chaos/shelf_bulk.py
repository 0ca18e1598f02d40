"""Bulk jobs about many of the shelf's moderations, begun as the console begins them."""

import random
from typing import Any

from chaos.human import Answer
from chaos.world import World
from clipwarden import errors, ids
from clipwarden.moderation import Kind, Status
from clipwarden.people import Role
from clipwarden.store import bulk, queues, users
from clipwarden.store.bulk import Action
from clipwarden.store.engine import write
from clipwarden.store.queues import Search

_MEANT = {
    Action.APPROVE: Status.REJECTED,
    Action.REJECT: Status.APPROVED,
    Action.RETRY: Status.ABORTED,
    Action.REJUDGE: Status.REJECTED,
}


def employ(world: World) -> str:
    """Let there be somebody who may begin jobs, and return their id."""
    with write(world.engine) as conn:
        return users.add(conn, "bea", role=Role.ADMIN, account_ids=None, now=world.clock.now()).id


def begin(world: World, user_id: str, chance: random.Random) -> Answer:
    """Begin a job about all that has a status now."""
    action = chance.choice(sorted(_MEANT))
    search = Search(account_ids=[world.shelf.id], kind=Kind.AWS_REK_VIDEO, status=_MEANT[action])
    policy = "aws_rek_video:alcohol:ignore" if action is Action.REJUDGE else None
    now = world.clock.now()
    try:
        with write(world.engine) as conn:
            count = queues.count(conn, search, limit=bulk.MOST)
            told: dict[str, Any] = {"due_at": now, "now": now, "filters": {}, "moderation": policy}
            bulk.begin(conn, search, id=ids.new_id(), user_id=user_id, action=action, expected=count, **told)
    except errors.Conflict:
        return Answer.REFUSED
    return Answer.DONE
