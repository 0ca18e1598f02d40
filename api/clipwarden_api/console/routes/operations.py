"""What runs, for those who see to it: pools, stages, failures, endpoints and workers."""

from datetime import datetime
from typing import Any

from starlette.responses import Response

from clipwarden import errors
from clipwarden.moderation import Stage
from clipwarden.store import accounts, endpoint_states, failures, operations, pools
from clipwarden.store.engine import read, write
from clipwarden_api.console.routes import queue
from clipwarden_api.console.visit import Visit

#: Endpoints that are listed at most; those that are disabled come first.
_ENDPOINTS = 50
#: In the order in which a moderation passes through them.
_STAGES = tuple(stage for stage in Stage if stage is not Stage.DECIDED)


def show(visit: Visit) -> Response:
    """Show it, or its newest figures alone."""
    now = visit.services.clock.now()
    with read(visit.services.engine) as conn:
        found = operations.operations(conn, now=now)
        shown: dict[str, Any] = {
            "found": found,
            "failures": failures.counts(conn, visit.user.account_ids),
            "unwell": endpoint_states.unwell(conn, visit.user.account_ids, limit=_ENDPOINTS),
            "accounts": queue.visible(conn, visit),
        }
    template = "_operations.html" if visit.fragment else "operations.html"
    return visit.page(template, now=now, stages=_stages(found), many=pools.MANY, **shown)


def enable(visit: Visit) -> Response:
    """Let an endpoint be called again that was given up."""
    now = visit.services.clock.now()
    with write(visit.services.engine) as conn:
        account = accounts.by_name(conn, visit.asked.text("account") or "")
        if account is None or not visit.user.sees(account.id):
            raise errors.NotFound("there is no such account")
        endpoint_states.enable(conn, account.id, visit.asked.text("origin") or "", now=now)
    return visit.leads_to("/operations")


def _stages(found: operations.Operations) -> list[tuple[Stage, int, datetime | None]]:
    by_stage: dict[Stage, Any] = {one.stage: one for one in found.stages}
    there = [(stage, by_stage.get(stage)) for stage in _STAGES]
    return [(stage, one.count, one.oldest) if one is not None else (stage, 0, None) for stage, one in there]
