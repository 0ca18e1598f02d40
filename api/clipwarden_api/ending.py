"""How uploads end that take several requests, or were not taken to their end: as an asset, or as nothing."""

from typing import Any

from clipwarden import errors, logs
from clipwarden.moderation import Asset
from clipwarden.store import library, uploads
from clipwarden.store.engine import read, write
from clipwarden.store.uploads import Upload
from clipwarden_api import uploading
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import File, Parameters
from clipwarden_api.refusals import Refusal, bad
from clipwarden_api.services import Services

log = logs.logger(__name__)

#: Expired uploads that are cleared away at once; whoever ends the gateway waits for them.
_SWEPT = 10


def complete(services: Services, caller: Caller, upload: Upload) -> dict[str, Any]:
    """Make the asset; whoever does it again, and whoever comes second, is answered with the same one.

    Raises Refusal, or a PermanentError, where the file is refused: then it is gone. What an operator has to mend, and
    what passes, leaves it as it is.
    """
    asked = upload.parameters
    if (there := asset(services, caller, upload)) is not None:
        return uploading.answer(services, caller, there)
    stored = services.media.complete(upload.target, upload.token, upload.parts)
    file = File(name=asked["filename"], stored=stored, sha256=None, md5=None, foreseen=None)
    form = Parameters(values=asked["values"], file=file)
    try:
        return uploading.upload(services, caller, asked["wanted"], form, signed=asked["signed"], upload_row=upload.id)
    except uploading.AlreadyAsset:
        if (there := asset(services, caller, upload)) is not None:
            return uploading.answer(services, caller, there)
        _delete_unless_used(services, upload)
        raise bad(f"Upload {upload.upload_id} is gone") from None
    except errors.ConfigurationError:
        raise
    except (Refusal, errors.PermanentError):
        drop(services, upload)
        raise


def asset(services: Services, caller: Caller, upload: Upload) -> Asset | None:
    """Return what an upload has become by now."""
    with read(services.engine) as conn:
        fresh = uploads.find(conn, caller.account.id, upload.upload_id)
        if fresh is None or fresh.asset_id is None:
            return None
        return library.by_id(conn, caller.account.id, fresh.asset_id)


def drop(services: Services, upload: Upload) -> bool:
    """Delete an upload's bytes and forget it, unless it has become an asset; say whether it had not.

    The row goes last, so that whoever dies on the way leaves the rest to others.
    """
    with write(services.engine) as conn:
        abandoned = uploads.abandon(conn, upload.id, now=services.clock.now())
    if abandoned:
        if upload.token:
            services.media.discard(upload.target, upload.token)
        services.media.delete(upload.target)  # It may have been completed, and not become an asset.
        _forget(services, upload)
    return abandoned


def clear(services: Services, upload: Upload) -> None:
    """Forget an upload, and delete its bytes unless they are an asset's; repeating this is harmless."""
    if not drop(services, upload):
        _forget(services, upload)


def sweep(services: Services) -> bool:
    """Clear away some uploads that nobody goes on with, and say whether there may be more.

    What became of finished ones stays.
    """
    with read(services.engine) as conn:
        found = uploads.expired(conn, services.clock.now(), _SWEPT)
    for upload in found:
        try:
            clear(services, upload)
        except errors.ClipwardenError as exc:  # Another time; who begins an upload now has no part in it.
            log.warning("upload not cleared away", upload_id=upload.upload_id, code=exc.code, reason=str(exc))
        else:
            log.info("upload expired", upload_id=upload.upload_id, bytes=upload.received)
    return len(found) == _SWEPT


def _forget(services: Services, upload: Upload) -> None:
    with write(services.engine) as conn:
        uploads.forget(conn, upload.id)


def _delete_unless_used(services: Services, upload: Upload) -> None:
    """Delete what was made of an upload's parts while somebody else abandoned it."""
    with read(services.engine) as conn:
        used = library.has(conn, upload.target)
    if not used:
        services.media.delete(upload.target)
