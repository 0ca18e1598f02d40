"""Uploads in chunks: requests that each bring a slice of a file, in order, under an id that the program makes up.

Facts: ``Content-Range: bytes 0-19999999/45000000``, where Node's SDK writes ``-1`` for the total until the last chunk,
and ``X-Unique-Upload-Id`` (https://cloudinary.com/documentation/upload_images#chunked_asset_upload). What the first
chunk asks for holds: the Python SDK repeats the public id that the answer before has named, or leaves it out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool

from clipwarden.media.store import LEAST_PART
from clipwarden.store import uploads
from clipwarden.store.engine import read, write
from clipwarden.store.uploads import Upload
from clipwarden_api import ending, uploading
from clipwarden_api.credentials import Caller
from clipwarden_api.fields import Values
from clipwarden_api.refusals import Refusal, bad
from clipwarden_api.room import PART
from clipwarden_api.services import Services
from clipwarden_api.sink import Received, Session, Sink

_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|-1|\*)", re.ASCII)
_UPLOAD_ID = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
#: Parameters that say who asks, not what is asked for.
_CREDENTIALS = frozenset({"api_key", "signature", "timestamp", "file"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Which slice of which upload a request brings."""

    upload_id: str
    start: int
    end: int  #: The byte after the last.
    total: int | None  #: Of the file; ``None`` where the program does not know yet.

    @property
    def size(self) -> int:
        """Return its bytes."""
        return self.end - self.start

    @property
    def last(self) -> bool:
        """Say whether the file ends with it."""
        return self.end == self.total


def read_headers(headers: Mapping[str, str], *, limit: int) -> Chunk | None:
    """Return the chunk that a request says it is, ``None`` for a whole file; raises Refusal for what cannot be one."""
    given, upload_id = headers.get("content-range"), headers.get("x-unique-upload-id")
    if given is None or upload_id is None:
        return None
    found = _RANGE.fullmatch(given.strip())
    if found is None or not _UPLOAD_ID.fullmatch(upload_id):
        raise bad("Content-Range must be like 'bytes 0-5999999/22744222', and X-Unique-Upload-Id up to 200 characters")
    start, end = int(found[1]), int(found[2]) + 1
    total = int(found[3]) if found[3].isdecimal() else None
    if start >= end or (total is not None and end > total):
        raise bad(f"Content-Range {given[:64]} is no part of a file")
    if max(end, total or 0) > limit:
        raise bad(f"File size too large. Got {max(end, total or 0)}. Maximum is {limit}.")
    chunk = Chunk(upload_id=upload_id, start=start, end=end, total=total)
    if not chunk.last and chunk.size < LEAST_PART:
        raise bad("All parts except EOF-chunk must be larger than 5mb")
    return None if chunk.last and start == 0 else chunk


class Receiving:
    """One chunk on its way in; from ``begin`` on, the upload that it belongs to is known."""

    def __init__(self, services: Services, chunk: Chunk, wanted: str) -> None:
        self._services, self._chunk, self._wanted = services, chunk, wanted
        self._upload: Upload | None = None

    async def begin(self, caller: Caller, values: Values, filename: str, *, signed: bool) -> "Sink | Known":
        """Return who takes the chunk's bytes; raises Refusal where it is not its turn."""
        first = await run_in_threadpool(self._enter, caller, values, filename, signed)
        assert self._upload is not None  # noqa: S101 # it was entered
        if first is None:
            return Known()
        session = Session(token=self._upload.token, first=first)
        return uploading.sink(self._services, self._upload.target, session=session, limit=self._chunk.size)

    async def finish(self, caller: Caller, taker: "Sink | Known") -> dict[str, Any]:
        """Keep what came, and return the answer: the asset's, if the file is complete."""
        received = None if isinstance(taker, Known) else await taker.finish()
        return await run_in_threadpool(self._keep, caller, received)

    def _enter(self, caller: Caller, values: Values, filename: str, signed: bool) -> int | None:  # noqa: FBT001 # passed on
        services, chunk = self._services, self._chunk
        if chunk.start == 0:
            self._open(caller, values, filename, signed=signed)
        with write(services.engine) as conn:
            upload = uploads.find(conn, caller.account.id, chunk.upload_id, for_update=True)
            if upload is None:
                raise bad(f"Upload {chunk.upload_id} is not known, or has expired: begin again with its first chunk")
            if bool(upload.parameters["signed"]) is not signed:
                raise Refusal(401, "All chunks of an upload must be signed, or none")
            self._upload = upload
            if chunk.end <= upload.received:
                return None
            if chunk.start != upload.received:
                raise bad(f"Chunk out of order: byte {upload.received} comes next, not {chunk.start}")
            return uploads.reserve(conn, upload, chunk.size // PART + 1)

    def _open(self, caller: Caller, values: Values, filename: str, *, signed: bool) -> None:
        services, account_id = self._services, caller.account.id
        with read(services.engine) as conn:
            before = uploads.find(conn, account_id, self._chunk.upload_id)
        if before is not None and before.asset_id is None and before.parameters["total"] == self._chunk.total:
            return
        if before is not None:  # The id is used again, for another file.
            ending.clear(services, before)
        parameters = {
            "values": {name: value for name, value in values.items() if name not in _CREDENTIALS},
            "wanted": self._wanted,
            "filename": filename,
            "signed": signed,
            "total": self._chunk.total,
        }
        target = uploading.place(services)
        token = services.media.begin(target, None)
        with write(services.engine) as conn:
            begun = uploads.begin(
                conn,
                account_id=account_id,
                upload_id=self._chunk.upload_id,
                target=target,
                token=token,
                parameters=parameters,
                now=services.clock.now(),
            )
        if begun is None:  # Another request has begun it meanwhile.
            services.media.discard(target, token)

    def _keep(self, caller: Caller, received: Received | None) -> dict[str, Any]:
        services, chunk, upload = self._services, self._chunk, self._upload
        assert upload is not None  # noqa: S101 # it was entered
        if received is not None:
            if received.bytes != chunk.size:
                raise bad(f"Content-Range announced {chunk.size} bytes, but {received.bytes} came")
            now = services.clock.now()
            with write(services.engine) as conn:
                kept = uploads.extend(conn, upload.id, start=chunk.start, end=chunk.end, parts=received.parts, now=now)
                if kept is None:  # The same chunk came twice at the same time.
                    other = uploads.find(conn, caller.account.id, chunk.upload_id)
                    kept = other if other is not None and other.received >= chunk.end else None
            if kept is None:
                raise bad(f"Chunk out of order: other bytes than {chunk.start} come next")
            upload = kept
        if chunk.last and chunk.end == upload.received:
            return ending.complete(services, caller, upload) | {"done": True}
        named = upload.parameters["values"].get("public_id")
        answer = {"done": False, "bytes": chunk.end, "resource_type": self._wanted, "kind": "upload"}
        return answer | ({"public_id": named} if named else {})


class Known:
    """Takes bytes that have come before, and keeps nothing of them."""

    async def write(self, data: bytes | bytearray) -> None:
        """Do nothing."""

    async def discard(self) -> None:
        """Do nothing."""
