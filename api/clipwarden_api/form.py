"""A request's body, read in any of the encodings that Cloudinary's SDKs use, with its file streamed on its way."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from starlette.requests import Request

from clipwarden.errors import MediaRefused, RequestRefused
from clipwarden.settings import UploadSettings
from clipwarden_api import multipart, text
from clipwarden_api.data_uri import LONGEST_HEAD, PREFIX, DataUri
from clipwarden_api.event import Begun, Decoder, Ended, Event
from clipwarden_api.fields import Fields, Values
from clipwarden_api.jsonbody import JsonBody
from clipwarden_api.pace import paced
from clipwarden_api.urlencoded import Urlencoded

#: The field that holds the file, or says where it is.
FILE = "file"


class Taker(Protocol):
    """Takes a file's bytes, as ``sink.Sink`` does."""

    async def write(self, data: bytes | bytearray, /) -> None:
        """Take some bytes; an exception ends the request's reading."""
        ...

    async def discard(self) -> None:
        """Leave nothing behind of a file that was not finished; goes on to its end even if who waits is cancelled."""
        ...


S = TypeVar("S", bound=Taker)

#: Given the fields so far, the file's name without folders and its type, each ``None`` where it has none, returns who
#: takes the bytes; an error that it raises refuses the file before they come.
OnFile = Callable[[Values, str | None, str | None], Awaitable[S]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Generic[S]):
    """A request that was read to its end; its file, if it has one, is to be finished."""

    fields: Values  #: With ``file`` among them where that is a URL.
    file: S | None


@asynccontextmanager
async def reading(
    request: Request, settings: UploadSettings, on_file: OnFile[S], *, limit: int
) -> AsyncIterator[Form[S]]:
    """Read a request, of whose file ``limit`` bytes are allowed; a file not finished within the block is discarded.

    Raises RequestRefused, MediaRefused, BodyStalled, what ``on_file`` and the taker raise, and starlette's
    ClientDisconnect.
    """
    if text.compressed(request.headers):
        raise RequestRefused("the body is compressed; it is only read as it is")
    decoder = _decoder(request.headers.get("content-type", ""))
    _require_length(request.headers.get("content-length", ""), limit, settings)
    reader = _Reader(settings, on_file)
    try:
        await reader.read(Urlencoded(), _once(request.scope["query_string"]))
        async with aclosing(paced(request.stream(), settings)) as body:
            await reader.read(decoder, body)
        yield Form(fields=reader.fields.values(), file=reader.file)
    finally:
        if reader.file is not None:
            await reader.file.discard()


class _Reader(Generic[S]):
    """Sorts a request's bytes into fields and the file."""

    def __init__(self, settings: UploadSettings, on_file: OnFile[S]) -> None:
        self.fields = Fields(settings.fields)
        self.file: S | None = None
        self._settings = settings
        self._on_file = on_file
        self._field = Begun(name="")
        self._text = bytearray()
        self._uri: DataUri | None = None
        self._beside = 0  # Bytes that came and are not the file's: of fields, headers, boundaries and nothing at all.

    async def read(self, decoder: Decoder, body: AsyncIterator[bytes]) -> None:
        async for data in body:
            self._beside += len(data)
            await self._take(decoder.feed(data))
            if self._beside > self._settings.fields_bytes:
                raise RequestRefused(f"the request has more than {self._settings.fields_bytes} bytes beside its file")
        await self._take(decoder.finish())

    async def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Begun):
                await self._begin(event)
            elif isinstance(event, Ended):
                await self._end()
            else:
                await self._write(event)

    async def _begin(self, field: Begun) -> None:
        self._field = field
        if field.filename is not None:
            if field.name != FILE:
                raise RequestRefused(f"{field.name} cannot be a file")
            await self._open(field.filename, field.content_type)

    async def _open(self, filename: str | None, content_type: str | None) -> None:
        self._require_first()
        self.file = await self._on_file(self.fields.values(), filename, content_type)

    def _require_first(self) -> None:
        if self.file is not None or FILE in self.fields:
            raise RequestRefused("the request has two files")

    async def _write(self, data: bytes | bytearray) -> None:
        if self._field.filename is not None or self._uri is not None:
            self._beside -= len(data)
            await self._pass(data)
            return
        self._text += data
        if self._field.name == FILE and self._text.startswith(PREFIX):
            await self._open_uri()

    async def _open_uri(self) -> None:
        head, comma, rest = self._text.partition(b",")
        if len(head) > LONGEST_HEAD:
            raise RequestRefused("a data URI has no comma")
        if comma:
            self._uri = DataUri(bytes(head), self._settings.data_uri_bytes)
            await self._open(None, self._uri.content_type)
            self._text.clear()
            await self._write(rest)

    async def _pass(self, data: bytes | bytearray) -> None:
        decoded = self._uri.feed(data) if self._uri is not None else data
        if self.file is not None and decoded:
            await self.file.write(decoded)

    async def _end(self) -> None:
        if self._uri is not None and self.file is not None:
            await self.file.write(self._uri.finish())
        elif self._field.filename is None:
            self._add()
        self._uri = None
        self._text.clear()

    def _add(self) -> None:
        if self._field.name == FILE:
            self._require_first()
            if self._text.startswith(PREFIX):
                raise RequestRefused("a data URI has no comma")
        self.fields.add(self._field.name, text.decode(self._text, self._field.name))


def _decoder(content_type: str) -> Decoder:
    match content_type.partition(";")[0].strip().lower():
        case "multipart/form-data":
            return multipart.Multipart(multipart.boundary(content_type))
        case "application/json":
            return JsonBody()
        case "application/x-www-form-urlencoded" | "":
            return Urlencoded()
        case _:
            raise RequestRefused("the body's type is none of multipart/form-data, x-www-form-urlencoded and JSON")


def _require_length(announced: str, limit: int, settings: UploadSettings) -> None:
    """Refuse what is announced to be too large before it comes; what is not, is counted as it comes."""
    if announced.isdecimal() and int(announced) > limit + settings.fields_bytes:
        raise MediaRefused(f"File size too large. Got {announced}. Maximum is {limit}.", reason="too_large")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
