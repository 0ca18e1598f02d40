"""Files that come in parts, straight to the media store: announced here, and completed here."""

from collections.abc import Sequence
from typing import Any

from clipwarden import errors, ids
from clipwarden.media.store import Part
from clipwarden.moderation import Location
from clipwarden.store import uploads
from clipwarden.store.engine import read, write
from clipwarden.store.uploads import Upload as Row
from clipwarden_api import asking, ending, uploading
from clipwarden_api.allowance import Allowed
from clipwarden_api.parameters import Parameters
from clipwarden_api.v1 import problems, reading, submitting, upload_showing
from clipwarden_api.v1.operation import Answer, Call
from clipwarden_api.v1.slices import Slices
from clipwarden_api.v1.upload_models import PartNamed

#: How an upload's row is called; the ids that programs give their uploads in chunks have no space.
_NAME = "ticket {}"
#: Options that uploads of every kind have, by the same names.
_OPTIONS = (
    *("public_id", "folder", "asset_folder", "display_name", "type", "moderation"),
    *("use_filename", "unique_filename", "overwrite", "backup", "tags", "context"),
)
#: Numbers of parts that a refusal names.
_SHOWN = 10


def create(call: Call) -> Answer:
    """Announce a file, and return where its parts are to be sent; nothing is kept of one that would be refused."""
    services, asked = call.services, call.asked
    values = _values(call)
    _require(call, values)
    services.allowances.spend(call.caller.account.id, Allowed.UPLOADS)
    target = uploading.place(services)
    token = services.media.begin(target, asked.content_type)
    try:
        return _begin(call, target, token, values)
    except BaseException:
        services.media.discard(target, token)
        raise


def show(call: Call) -> Answer:
    """Return what has come, and fresh URLs for a page of what has not."""
    row = _found(call)
    if row.asset_id is not None:
        with read(call.services.engine) as conn:
            return Answer.of(upload_showing.completed(conn, row, call.id))
    arrived, slices = _arrived(call, row), Slices.of(row)
    missing = slices.missing(arrived, after=int(call.query.cursor or 0))
    left = row.expires_at - call.services.clock.now()
    page = upload_showing.page(
        call.services.media, row.target, row.token, missing, slices, limit=call.query.limit, expires=left
    )
    said = upload_showing.opened(row, call.id, slices, arrived, page)
    return reading.paged(call, said, said.next)


def complete(call: Call) -> Answer:
    """Make an asset of the parts, and ask for its moderation; done again, it returns the same.

    The answer's transaction may come after those that did it, for that reason.
    """
    row = _found(call)
    if row.asset_id is None:
        ending.complete(call.services, call.caller, _sealed(call, row))
        row = _found(call)
    with write(call.services.engine) as conn:
        return call.done(conn, 200, upload_showing.completed(conn, row, call.id))


def discard(call: Call) -> Answer:
    """Forget a file that is not completed, and what has come of it."""
    row = _found(call)
    if not ending.drop(call.services, row):
        raise errors.Conflict("it has become an asset, or somebody else discards it")
    return Answer.of(upload_showing.discarded(row, call.id))


def _values(call: Call) -> dict[str, str | list[str]]:
    """Return what is asked for as a form says it, so that all uploads are read alike."""
    asked: dict[str, Any] = {name: getattr(call.asked, name) for name in _OPTIONS}
    asked["upload_preset"] = call.asked.preset
    if call.asked.notification_urls:
        asked["notification_url"] = " ".join(call.asked.notification_urls)
    return {name: asking.written(value) for name, value in asked.items() if value is not None}


def _require(call: Call, values: dict[str, str | list[str]]) -> None:
    """Raise Problem, or Refusal, for what would be refused once it had come."""
    asked, most = call.asked, call.services.settings.media.max_bytes
    if asked.bytes > most:
        raise problems.fault("/bytes", f"a file has {most} bytes at most")
    if not Slices(bytes=asked.bytes, part_bytes=asked.part_bytes).possible:
        raise problems.fault("/part_bytes", "too many parts: let each have more bytes")
    if asked.moderation is not None:
        submitting.chain(asked.moderation, call.caller.account.default_taxonomy)
    with read(call.services.engine) as conn:
        submitting.preset_of(conn, call)
    uploading.require(call.services, call.caller, Parameters(values=values), signed=True)


def _begin(call: Call, target: Location, token: str, values: dict[str, str | list[str]]) -> Answer:
    services, asked, id = call.services, call.asked, ids.new_id()
    slices = Slices(bytes=asked.bytes, part_bytes=asked.part_bytes)
    # Outside of the transaction: the store may have to be asked for the bucket's region.
    page = upload_showing.page(services.media, target, token, slices.missing([]), slices, expires=uploads.LIFETIME)
    parameters = {
        "values": values,
        "wanted": asked.resource_type,
        "filename": asked.filename,
        "signed": True,
        "total": asked.bytes,
        "part_bytes": asked.part_bytes,
    }
    with write(services.engine) as conn:
        row = uploads.begin(
            conn,
            account_id=call.caller.account.id,
            upload_id=_NAME.format(id),
            target=target,
            token=token,
            parameters=parameters,
            now=services.clock.now(),
        )
        assert row is not None  # noqa: S101 # the id is new
        return call.done(conn, 201, upload_showing.opened(row, id, slices, [], page))


def _found(call: Call) -> Row:
    """Return the account's upload that the path names; raises NotFound for one that has expired, too."""
    with read(call.services.engine) as conn:
        row = uploads.find(conn, call.caller.account.id, _NAME.format(call.id))
    if row is None or (row.asset_id is None and row.expires_at <= call.services.clock.now()):
        raise errors.NotFound("there is no such upload, or it has expired")
    return row


def _arrived(call: Call, row: Row) -> list[Part]:
    """Return what has come; all of it, where the parts have been joined and only the asset is missing."""
    try:
        return call.services.media.parts(row.target, row.token)
    except errors.MediaNotFound:
        if not row.parts:
            raise
        slices = Slices.of(row)
        return [Part(number=number, bytes=slices.size(number), etag=etag) for number, etag in row.parts]


def _sealed(call: Call, row: Row) -> Row:
    """Return the upload with the parts that it is made of; raises Conflict where some are missing, or others.

    What is larger than was announced is refused, and deleted.
    """
    services, slices = call.services, Slices.of(row)
    try:
        arrived = services.media.parts(row.target, row.token)
    except errors.MediaNotFound:
        row = _found(call)  # Whoever has joined the parts has said before which they are.
        if row.parts:
            return row
        raise
    if excess := slices.excess(arrived):
        ending.drop(services, row)
        raise errors.MediaRefused(f"more bytes came than were announced, in part {_some(excess)}", reason="too_large")
    _require_whole(slices, arrived, call.asked.parts or [])
    parts = [(one.number, one.etag) for one in slices.whole(arrived).values()]
    with write(services.engine) as conn:
        sealed = uploads.seal(conn, row.id, parts=parts, received=slices.bytes, now=services.clock.now())
    return sealed or _found(call)


def _require_whole(slices: Slices, arrived: Sequence[Part], named: Sequence[PartNamed]) -> None:
    if missing := slices.missing(arrived):
        raise errors.Conflict(f"not all parts have come: {_some(missing)} of {slices.count} are missing")
    there = slices.whole(arrived)
    other = [one.number for one in named if one.number not in there or there[one.number].etag != one.etag.strip('"')]
    if other:
        raise errors.Conflict(f"other parts have come than are named: {_some(other)}")


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    return shown if len(numbers) <= _SHOWN else f"{shown} and {len(numbers) - _SHOWN} more"
