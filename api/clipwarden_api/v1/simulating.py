"""What another policy would have decided about the account's past moderations; nothing is changed."""

from collections.abc import Iterator
from contextlib import contextmanager

from clipwarden import errors, simulating
from clipwarden.simulating import Limits
from clipwarden.store import cursor
from clipwarden.store.engine import read
from clipwarden.store.past import Search
from clipwarden_api.services import Services
from clipwarden_api.v1 import problems
from clipwarden_api.v1.operation import Answer, Call
from clipwarden_api.v1.simulation_models import PolicySimulated

#: Seconds after which a simulation looks at no further moderation.
_SECONDS = 10.0


def simulate(call: Call) -> Answer:
    """Judge moderations anew and return what would change; raises Overloaded while this process does so already."""
    services, asked = call.services, call.asked
    search = _search(call)
    if asked.cursor is not None:
        _require_cursor(asked.cursor)
    with _alone(services):
        simulated = simulating.simulate(
            services.engine,
            services.media,
            asked.moderation,
            search,
            bucket=services.settings.media.bucket,
            limits=Limits(last=asked.last, listed=asked.flips, seconds=_SECONDS),
            after=asked.cursor,
        )
    return Answer.of(PolicySimulated.model_validate(simulated.to_dict()))


@contextmanager
def _alone(services: Services) -> Iterator[None]:
    """Let one at a time work: several in one process would only slow each other and all other calls down."""
    if not services.simulating.acquire(blocking=False):
        raise errors.Overloaded("another policy is being simulated; try again")
    try:
        yield
    finally:
        services.simulating.release()


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
