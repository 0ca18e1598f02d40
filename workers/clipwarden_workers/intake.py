"""The actor ``intake``, and what all doors share: a request becomes rows, once, however often it is delivered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from clipwarden import errors, logs, message, tracing
from clipwarden.moderation import Asset, Kind, Moderation, Stage, Status
from clipwarden.store import accounts, assets, moderations
from clipwarden.store.engine import write
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def intake(services: Services, payload: dict[str, Any]) -> None:
    """Accept what a producer asks for.

    Raises MessageError or NotFound for a message that can never become a row; the bus then keeps it as a dead letter.
    """
    accept(services, message.read(payload))


def accept(services: Services, wanted: message.IntakeMessage) -> bool:
    """Make the rows of a request and send its first message; ``False`` when it is known already.

    What can be told to the producer by a callback (an unreadable policy, a missing video) is accepted and ends aborted.
    Raises NotFound when there is no such account.
    """
    moderation, created = services.accepting.do(wanted, lambda group: _rows(services, group))
    if created:
        tracing.accepted(moderation.id)
        log.info("moderation accepted", account=wanted.account, source=wanted.source, **moderation.log_context())
        services.bus.send(Step.PROBE, moderation.id, moderation.fence)
    return created


def _rows(services: Services, group: Sequence[message.IntakeMessage]) -> list[tuple[Moderation, bool]]:
    """Make the rows of a group of requests in one transaction."""
    now = services.clock.now()
    with write(services.engine) as conn:
        owners = accounts.by_names(conn, {wanted.account for wanted in group})
        if missing := {wanted.account for wanted in group} - owners.keys():
            name = min(missing)
            raise errors.NotFound(f"no account {name!r}; `clipwarden account {name}` makes one")
        names = [(owners[wanted.account].id, _public_id(wanted)) for wanted in group]
        obtained = assets.obtain_all(conn, names, now=now)
        due_at = services.lease(now)
        asked = [_request(wanted, obtained[name], due_at) for wanted, name in zip(group, names, strict=True)]
        return moderations.accept_all(conn, asked, now=now)


def _request(wanted: message.IntakeMessage, asset: Asset, due_at: datetime) -> moderations.Request:
    return moderations.Request(
        id=wanted.id,
        account_id=asset.account_id,
        asset_id=asset.id,
        kind=_kind(wanted.moderation),
        policy=wanted.moderation,
        source=wanted.source,
        idempotency_key=wanted.idempotency_key,
        notification_urls=wanted.notification_urls,
        priority=wanted.priority,
        stage=Stage.INTAKE,
        status=Status.PENDING,
        due_at=due_at,
    )


def _public_id(wanted: message.IntakeMessage) -> str:
    return wanted.public_id or wanted.id.replace("-", "")[-20:]


def _kind(parameter: str) -> Kind:
    return Kind.MANUAL if parameter == Kind.MANUAL else Kind.AWS_REK_VIDEO
