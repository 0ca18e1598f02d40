"""The actor ``intake``, and what all doors share: a request becomes rows, once, however often it is delivered."""

from typing import Any

from clipwarden import errors, logs, message
from clipwarden.moderation import Kind, Stage, Status
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
    now = services.clock.now()
    with write(services.engine) as conn:
        account = accounts.by_name(conn, wanted.account)
        if account is None:
            raise errors.NotFound(f"no account {wanted.account!r}; `clipwarden account {wanted.account}` makes one")
        asset = assets.obtain(
            conn, account_id=account.id, public_id=wanted.public_id or wanted.id.replace("-", "")[-20:], now=now
        )
        moderation, created = moderations.accept(
            conn,
            id=wanted.id,
            account_id=account.id,
            asset_id=asset.id,
            kind=_kind(wanted.moderation),
            policy=wanted.moderation,
            source=wanted.source,
            idempotency_key=wanted.idempotency_key,
            notification_urls=wanted.notification_urls,
            priority=wanted.priority,
            stage=Stage.INTAKE,
            status=Status.PENDING,
            due_at=services.lease(now),
            now=now,
        )
    if created:
        log.info("moderation accepted", account=account.name, source=wanted.source, **moderation.log_context())
        services.bus.send(Step.PROBE, moderation.id, moderation.fence)
    return created


def _kind(parameter: str) -> Kind:
    return Kind.MANUAL if parameter == Kind.MANUAL else Kind.AWS_REK_VIDEO
