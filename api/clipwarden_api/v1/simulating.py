"""What another policy would have decided about the account's past moderations; nothing is changed."""

from clipwarden import errors, simulating
from clipwarden.simulating import Limits
from clipwarden.store import cursor
from clipwarden.store.engine import read
from clipwarden.store.past import Search
from clipwarden_api.simulating import SECONDS, alone
from clipwarden_api.v1 import problems
from clipwarden_api.v1.operation import Answer, Call
from clipwarden_api.v1.simulation_models import PolicySimulated


def simulate(call: Call) -> Answer:
    """Judge moderations anew and return what would change; raises Overloaded while this process does so already."""
    services, asked = call.services, call.asked
    search = _search(call)
    if asked.cursor is not None:
        _require_cursor(asked.cursor)
    with alone(services):
        simulated = simulating.simulate(
            services.engine,
            services.media,
            asked.moderation,
            search,
            bucket=services.settings.media.bucket,
            limits=Limits(last=asked.last, listed=asked.flips, seconds=SECONDS),
            after=asked.cursor,
        )
    return Answer.of(PolicySimulated.model_validate(simulated.to_dict()))


def _search(call: Call) -> Search:
    asked, account = call.asked, call.caller.account
    policy = None
    if asked.preset is not None:
        try:
            with read(call.services.engine) as conn:
                policy = simulating.preset_policy(conn, account, asked.preset)
        except (errors.NotFound, errors.Conflict) as exc:
            raise problems.fault("/preset", str(exc)) from exc
    return Search(
        account_id=account.id,
        kind=asked.kind,
        policy=policy,
        since=asked.created_since,
        before=asked.created_before,
    )


def _require_cursor(text: str) -> None:
    try:
        cursor.decode(text)
    except errors.Conflict as exc:
        raise problems.fault("/cursor", str(exc)) from exc
