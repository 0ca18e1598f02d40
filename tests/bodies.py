"""Requests' bodies as clients write them, and the reading of them without a server."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from clipwarden.settings import UploadSettings
from clipwarden_api import form
from clipwarden_api.fields import Values

#: More than any test sends, unless it is about the limit.
LIMIT = 1024**3


@dataclass(slots=True)
class Kept:
    """Takes a file's bytes into memory, and remembers what it was told of the file."""

    fields: Values
    filename: str | None
    content_type: str | None
    data: bytearray = field(default_factory=bytearray)
    discarded: bool = False

    async def write(self, data: bytes | bytearray, /) -> None:
        self.data += data

    async def discard(self) -> None:
        self.discarded = True


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a request."""

    fields: dict[str, str | list[str]]
    file: Kept | None

    @property
    def told(self) -> tuple[object, ...]:
        """Return all that the reading led to, to be compared."""
        file = self.file
        kept = None if file is None else (dict(file.fields), file.filename, file.content_type, bytes(file.data))
        return (self.fields, kept)


def request(
    pieces: Iterable[bytes], content_type: str | None = None, *, query: bytes = b"", headers: Mapping[str, str] = {}
) -> Request:
    """Return a request whose body comes in these pieces."""
    named = {**({} if content_type is None else {"content-type": content_type}), **headers}
    scope = {
        "type": "http",
        "method": "POST",
        "query_string": query,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
    }

    coming = iter(pieces)

    async def receive() -> dict[str, Any]:
        piece = next(coming, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    return Request(scope, receive)


def read(asked: Request, settings: UploadSettings | None = None, *, limit: int = LIMIT) -> Read:
    """Read a request, keeping its file in memory."""

    async def keep(fields: Values, filename: str | None, content_type: str | None) -> Kept:
        return Kept(fields, filename, content_type)

    async def run() -> Read:
        async with form.reading(asked, settings or UploadSettings(), keep, limit=limit) as found:
            return Read(dict(found.fields), found.file)

    return asyncio.run(run())


def npm_form(fields: Sequence[tuple[str, str]], file: bytes, boundary: str = "x7k2m9q") -> bytes:
    """Encode as the npm SDK does: the file last, a short boundary, and no newline after the last one."""
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    )
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="clip"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return body + head.encode() + file + f"\r\n--{boundary}--".encode()


def urlencoded(fields: Sequence[tuple[str, str]]) -> bytes:
    """Encode as ``querystring`` does, brackets and all."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in fields).encode()


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut a body at these places, wherever they are."""
    ends = [0, *sorted({place % (len(body) + 1) for place in places}), len(body)]
    return [body[start:end] for start, end in pairwise(ends)]


def sha256(data: bytes) -> str:
    """Return the digest as hex."""
    return hashlib.sha256(data).hexdigest()
