"""Taking a file in: from the request, a data URI or a URL, into the media store, and into the database at once."""

import contextlib
import tempfile
from dataclasses import dataclass
from typing import Any, BinaryIO

from clipwarden import errors, ids, logs, placing, tracing
from clipwarden.egress import open_egress
from clipwarden.media import sources
from clipwarden.media.fingerprint import Digesting, fingerprint
from clipwarden.media.prober import Looked
from clipwarden.media.store import Stored
from clipwarden.moderation import Account, Asset, Location, Moderation, ResourceType
from clipwarden.store import library, moderations, presets, uploads
from clipwarden.store.engine import read, write
from clipwarden_api import announcing, asking, rendering
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import File, Parameters
from clipwarden_api.refusals import Refusal, bad, not_found
from clipwarden_api.services import Services
from clipwarden_api.sink import Session, Sink

log = logs.logger(__name__)

#: What the beginning of a picture looks like, and what its format is called.
_PICTURES = {
    b"\xff\xd8\xff": "jpg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF8": "gif",
    b"BM": "bmp",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrived:
    resource_type: ResourceType
    bytes: library.Bytes
    foreseen: str | None  #: What the bytes are claimed by, where this request has stored them.


class AlreadyAsset(Exception):
    """Raised where an upload in chunks has become an asset already: the bytes are that one's."""


def upload(
    services: Services, caller: Caller, wanted: str, form: Parameters, *, signed: bool, upload_row: str | None = None
) -> dict[str, Any]:
    """Store a file as an asset, ask for its moderation, and return what Cloudinary's upload answers.

    ``upload_row`` is the row of an upload in chunks, which becomes an asset only once: else AlreadyAsset is raised.
    Raises Refusal, or a ClipwardenError, and leaves nothing behind then.
    """
    try:
        return _upload(services, caller, wanted, form, signed=signed, upload_row=upload_row)
    except (Refusal, errors.PermanentError):
        # Any other failure may have come after the commit: then the bytes are the asset's.
        if form.file is not None and form.file.foreseen is not None:
            _discard(services, form.file.stored.location, form.file.foreseen)
        raise


def require(services: Services, caller: Caller, form: Parameters, *, signed: bool) -> None:
    """Raise Refusal where an upload with these parameters would be refused, whatever its file is."""
    asking.read(form, caller.account, _preset(services, caller.account, form), signed=signed)


def _upload(
    services: Services, caller: Caller, wanted: str, form: Parameters, *, signed: bool, upload_row: str | None
) -> dict[str, Any]:
    account = caller.account
    asked = asking.read(form, account, _preset(services, account, form), signed=signed)
    if not asked.overwrite and (there := _present(services, account, asked, wanted)) is not None:
        if upload_row is not None:
            _disown(services, upload_row, there)
        if form.file is not None:
            _discard(services, form.file.stored.location, form.file.foreseen)
        return answer(services, caller, there) | {"existing": True}
    arrived = _take(services, account, wanted, form)
    try:
        asked.require_format(arrived.resource_type, arrived.bytes.format)
        asset, present, overwritten = _accept(services, caller, asked, arrived, upload_row)
    except (Refusal, errors.PermanentError):
        if arrived.foreseen is not None:
            _discard(services, arrived.bytes.stored.location, arrived.foreseen)
        raise
    told = rendering.uploaded(caller, asset, present, public_url=services.public_url)
    return told | ({"overwritten": True} if overwritten else {})


def explicit(services: Services, caller: Caller, wanted: str, form: Parameters) -> dict[str, Any]:
    """Ask for the moderation of an asset that is there, or describe it anew; raises Refusal where there is none."""
    account = caller.account
    name = named(wanted, form)
    parameters = asking.chain(form.text("moderation"), account)
    now = services.clock.now()
    with write(services.engine) as conn:
        asset = library.by_name(conn, account.id, name)
        if asset is None or asset.deleted_at is not None or asset.location is None:
            raise not_found(name.public_id)
        asset = library.describe(conn, asset, now=now, **changes(form))
        wanted_urls = asking.urls(form.text("notification_url"))
        made = moderations.accept_all(conn, asking.requests(asset, parameters, wanted_urls, now=now), now=now)
    tracing.accepted(*(one.id for one, new in made if new))
    return answer(services, caller, asset)


def changes(form: Parameters) -> dict[str, Any]:
    """Return the columns that a form describes anew: tags and context replace those before."""
    found: dict[str, Any] = {}
    if "tags" in form.values:
        found["tags"] = list(dict.fromkeys(form.texts("tags")))
    if "context" in form.values:
        found["context"] = asking.pairs(form.text("context"))
    for column in ("asset_folder", "display_name"):
        if column in form.values:
            found[column] = form.text(column)
    return found


def named(resource_type: str, form: Parameters) -> library.Name:
    """Return the name of the asset that a form is about; raises Refusal for one that cannot be."""
    public_id = form.text("public_id")
    if public_id is None:
        raise bad("Missing required parameter - public_id")
    return library.Name(
        resource_type=ResourceType(resource_type), type=form.text("type") or "upload", public_id=public_id
    )


def _accept(
    services: Services, caller: Caller, asked: asking.Asked, arrived: _Arrived, upload_row: str | None
) -> tuple[Asset, list[Moderation], bool]:
    """Return the asset, its moderations, and whether it had other bytes before."""
    now = services.clock.now()
    with write(services.engine) as conn:
        name = asked.name(arrived.resource_type)
        asset, there = library.store(conn, caller.account.id, name, arrived.bytes, now=now, **asked.described)
        requests = asking.requests(asset, asked.moderation, asked.notification_urls, now=now)
        made = moderations.accept_all(conn, requests, now=now)
        if upload_row is not None and not uploads.become(conn, upload_row, asset.id, now=now):
            raise AlreadyAsset
        if arrived.foreseen is not None and not uploads.claim(conn, arrived.foreseen):
            raise bad("The upload has taken too long: send the file again")
        present, named = [one for one, _ in made], asked.notification_urls
        announcing.uploaded(conn, caller, asset, present, named, public_url=services.public_url, now=now)
    tracing.accepted(*(one.id for one, new in made if new))
    log.info("asset stored", account=caller.account.name, asset_id=asset.id, bytes=asset.bytes)
    return asset, present, there


def answer(services: Services, caller: Caller, asset: Asset) -> dict[str, Any]:
    """Return what Cloudinary's upload answers of an asset."""
    with read(services.engine) as conn:
        present = library.moderations_of(conn, [asset.id])[asset.id]
    return rendering.uploaded(caller, asset, present, public_url=services.public_url)


def _disown(services: Services, upload_row: str, there: Asset) -> None:
    """Record that an upload has become an asset with other bytes; raises AlreadyAsset where the bytes are its own."""
    now = services.clock.now()
    with write(services.engine) as conn:
        if not uploads.become(conn, upload_row, there.id, now=now, unwanted=True):
            raise AlreadyAsset


def _preset(services: Services, account: Account, form: Parameters) -> Any:
    if (name := form.text("upload_preset")) is None:
        return None
    with read(services.engine) as conn:
        preset = presets.by_name(conn, account.id, name)
    if preset is None:
        raise bad("Upload preset not found")
    return preset


def _present(services: Services, account: Account, asked: asking.Asked, wanted: str) -> Asset | None:
    kinds = list(ResourceType) if wanted == "auto" else [ResourceType(wanted)]
    with read(services.engine) as conn:
        found = [library.by_name(conn, account.id, asked.name(kind)) for kind in kinds]
    return next((asset for asset in found if asset is not None and asset.deleted_at is None), None)


def _source(services: Services, form: Parameters) -> Location | str:
    """Return where the file is, if it is not in the request: an object of S3, or a URL.

    Objects must be in a bucket that is open to all accounts: ours hold other accounts' videos.
    """
    given = form.text("file")
    if given is None:
        raise bad("Missing required parameter - file")
    if given.startswith("file:"):
        raise bad("Unsupported source URL: http, https and s3 are taken")
    found = sources.parse_source(given, services.settings.media)
    if isinstance(found, Location) and found.bucket not in services.settings.api.source_buckets:
        raise bad(f"Bucket {found.bucket} is not one that uploads may be taken from")
    return found if isinstance(found, Location) else given


def sink(services: Services, target: Location, *, limit: int, session: Session | None = None) -> Sink:
    """Return what takes a file's bytes, or those of a chunk, to where a new asset's belong."""
    lanes = services.settings.upload.lanes
    return Sink(services.room, services.media, target, limit=limit, lanes=lanes, session=session)


def place(services: Services) -> Location:
    """Return where a new asset's bytes belong."""
    bucket = placing.home(services.engine, services.quotas, services.settings.media.bucket)
    return Location(bucket=bucket, key=f"videos/{ids.new_id()}")


def foresee(services: Services, account: Account, target: Location) -> str:
    """Let bytes that are about to be stored go again, should this process die before they are an asset's."""
    with write(services.engine) as conn:
        return uploads.foresee(conn, account.id, target, now=services.clock.now())


def _discard(services: Services, location: Location, foreseen: str | None) -> None:
    """Delete what was stored for nothing, then its row, so that whoever dies on the way leaves the rest to others."""
    services.media.delete(location)
    if foreseen is not None:
        with write(services.engine) as conn:
            uploads.forget(conn, foreseen)


def _take(services: Services, account: Account, wanted: str, form: Parameters) -> _Arrived:
    """Return what came in; what was stored for it is deleted where it is refused."""
    if form.file is not None and form.file.foreseen is not None:
        return _kept(services, wanted, form.file)
    if form.file is not None:  # It came in chunks: who receives those knows whether the bytes may go.
        return _known(services, wanted, form.file.stored, form.file)
    source = _source(services, form)
    if isinstance(source, Location):
        return _known(services, wanted, services.media.head(source))
    with tempfile.TemporaryFile() as spool:
        _fetch(services, source, spool)
        spool.seek(0)
        digesting = Digesting(spool)
        target = place(services)
        foreseen = foresee(services, account, target)
        stored = services.media.put(target, digesting.buffered())
    file = File(name="", stored=stored, sha256=digesting.hexdigest(), md5=digesting.md5(), foreseen=foreseen)
    return _kept(services, wanted, file)


def _kept(services: Services, wanted: str, file: File) -> _Arrived:
    try:
        return _known(services, wanted, file.stored, file)
    except BaseException:
        _discard(services, file.stored.location, file.foreseen)
        raise


def _fetch(services: Services, source: str, spool: BinaryIO) -> None:
    with contextlib.closing(open_egress(services.settings.callback)) as egress:
        try:
            egress.fetch(source, spool, max_bytes=services.settings.media.max_bytes)
        except (errors.SourceRefused, errors.DestinationRefused, errors.MediaNotFound) as exc:
            raise bad(f"Error in loading {source[:300]} - {exc}") from exc


def _picture(beginning: bytes) -> str | None:
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in _PICTURES.items() if beginning.startswith(magic)), None)


def _known(services: Services, wanted: str, stored: Stored, file: File | None = None) -> _Arrived:
    """Look what came in: a video is probed, and refused when it cannot be analysed; without a file it is a user's."""
    with services.media.open(stored.location, start=0, end=16) as beginning:
        picture = _picture(beginning.read(16))
    kind, looked, file_format = _looked_at(services, wanted, stored, picture)
    arrived = library.Bytes(
        stored=stored,
        fingerprint=fingerprint(stored, file.sha256 if file is not None else None),
        facts=looked.facts if looked is not None else None,
        format=file_format,
        ours=file is not None,
        md5=file.md5 if file is not None else None,
        poster=looked.poster if looked is not None else None,
    )
    return _Arrived(resource_type=kind, bytes=arrived, foreseen=file.foreseen if file is not None else None)


def _looked_at(
    services: Services, wanted: str, stored: Stored, picture: str | None
) -> tuple[ResourceType, Looked | None, str | None]:
    if wanted == ResourceType.RAW:
        return ResourceType.RAW, None, None
    if wanted == ResourceType.IMAGE or (wanted == "auto" and picture):
        if picture is None:
            raise bad("Invalid image file")
        return ResourceType.IMAGE, None, picture
    try:
        looked = services.prober.look(stored)
    except errors.MediaRefused:
        if wanted == "auto":
            return ResourceType.RAW, None, None
        raise
    return ResourceType.VIDEO, looked, looked.facts.container
