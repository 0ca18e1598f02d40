"""The actor ``sweep``: delete bytes that were overwritten, and that nobody keeps."""

from clipwarden import logs, placing
from clipwarden.store import leftovers, schema
from clipwarden.store.engine import read, write
from clipwarden.store.leftovers import Leftover
from clipwarden_workers import chore
from clipwarden_workers.bus import Step
from clipwarden_workers.services import Services

log = logs.logger(__name__)


def sweep(services: Services, leftover_id: str, fence: int) -> None:
    """Delete the bytes, wherever they are, and then the row; repeating this is harmless."""
    chore.turn(
        services,
        Step.SWEEP,
        schema.leftovers,
        leftover_id,
        fence,
        parse=lambda _, row: leftovers.parse(row),
        about=lambda leftover: {"asset_id": leftover.asset_id},
        work=_delete,
    )


def _delete(services: Services, leftover: Leftover) -> None:
    with read(services.engine) as conn:
        needed = leftovers.is_needed(conn, leftover)
    if not needed:
        services.media.delete(leftover.location)
        bucket = services.settings.media.bucket
        services.media.delete(placing.quarantined(bucket, leftover.asset_id, leftover.version))
        log.info("overwritten bytes deleted", version=leftover.version)
    with write(services.engine) as conn:
        leftovers.forget(conn, leftover)
