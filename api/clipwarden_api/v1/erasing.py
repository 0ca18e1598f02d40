"""Erasing an asset with all that is kept of it and about it, and how far that is."""

from clipwarden import errors
from clipwarden.moderation import Scope
from clipwarden.store import erasures, library
from clipwarden.store.engine import read, write
from clipwarden_api.v1.models import Erasure
from clipwarden_api.v1.operation import Answer, Call


def erase(call: Call) -> Answer:
    """Ask for an erasure, which workers see to; asked again, it says how far that is."""
    services = call.services
    with write(services.engine) as conn:
        asset = library.by_id(conn, call.caller.account.id, call.id, for_update=True)
        if asset is not None:
            erasures.ask(conn, asset, Scope.ASSET, by=f"human:{call.caller.key}", now=services.clock.now())
    return Answer(status=202, body=_told(call).model_dump_json())


def show(call: Call) -> Answer:
    """Say how far an erasure is."""
    return Answer.of(_told(call))


def _told(call: Call) -> Erasure:
    with read(call.services.engine) as conn:
        told = erasures.told(conn, call.id, account_id=call.caller.account.id)
    if told is None:
        raise errors.NotFound("there is no such asset, or nobody has asked for its erasure")
    return Erasure(
        asset_id=call.id.replace("-", ""),
        state="erasing" if told.erased_at is None else "erased",
        requested_by=told.requested_by,
        requested_at=told.requested_at,
        erased_at=told.erased_at,
    )
