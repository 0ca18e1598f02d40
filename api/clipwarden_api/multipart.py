"""Bodies of the type ``multipart/form-data``."""

import logging
import re
from typing import Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from clipwarden.errors import RequestRefused
from clipwarden_api import text
from clipwarden_api.event import Begun, Ended, Event

#: Of RFC 2046.
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
#: Bytes of one header of a part; some clients send a file's whole path.
_LONGEST_HEADER: Final = 8192
# What hostile clients send is told to them, not to the log.
_SILENT: Final = logging.Logger("silent", logging.CRITICAL)  # noqa: LOG001 # in no hierarchy, so nobody turns it on


class Multipart:
    """Decodes parts as they come, with no more in memory than one header and what was fed."""

    def __init__(self, boundary: bytes) -> None:
        """Raise RequestRefused for a boundary that cannot be."""
        if not _BOUNDARY.fullmatch(boundary):
            raise RequestRefused("the form's boundary is missing or wrong")
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_begin": self._begin_header,
                "on_header_field": self._read_name,
                "on_header_value": self._read_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._read_data,
                "on_part_end": self._end,
                "on_end": self._end_all,
            },
            max_header_size=_LONGEST_HEADER,
        )
        self._parser.logger = _SILENT
        self._events: list[Event] = []
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = bytearray(), bytearray()
        self._started = self._complete = False

    def feed(self, data: bytes) -> list[Event]:
        """Return what the next bytes tell; newlines before the first boundary and all after the last are nothing."""
        if not self._started:
            data = data.lstrip(b"\r\n")  # The parser would take them, or not, by where the pieces end.
        if data and not self._complete:
            self._started = True
            self._parse(data)
        events, self._events = self._events, []
        return events

    def finish(self) -> list[Event]:
        """Return nothing; raises RequestRefused unless the last boundary was seen, or nothing at all."""
        if self._started and not self._complete:
            raise RequestRefused("the form ends before its last boundary")
        return []

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as exc:
            raise RequestRefused(f"the form cannot be read: {exc}") from exc

    def _begin(self) -> None:
        self._headers = {}

    def _begin_header(self) -> None:
        self._name, self._value = bytearray(), bytearray()

    def _read_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _read_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        name = bytes(self._name).lower()
        if name in self._headers:
            raise RequestRefused(f"a part has two headers {name.decode('ascii')}")
        self._headers[name] = bytes(self._value)

    def _end_headers(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition"))
        if disposition != b"form-data" or not options.get(b"name"):
            raise RequestRefused("a part's Content-Disposition is not form-data with a name")
        filename, content_type = options.get(b"filename"), self._headers.get(b"content-type")
        self._events.append(
            Begun(
                name=text.decode(options[b"name"], "a field's name"),
                filename=None if filename is None else _bare(filename),
                content_type=None if content_type is None else parse_options_header(content_type)[0].decode("latin-1"),
            )
        )

    def _read_data(self, data: bytes, start: int, end: int) -> None:
        piece = memoryview(data)[start:end]
        if self._events and isinstance(last := self._events[-1], bytearray):
            last += piece
        else:
            self._events.append(bytearray(piece))

    def _end(self) -> None:
        self._events.append(Ended())

    def _end_all(self) -> None:
        self._complete = True


def boundary(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names, empty where it names none."""
    return parse_options_header(content_type)[1].get(b"boundary", b"")


def _bare(filename: bytes) -> str:
    """Return the name without its folders, which some clients send, and without what cannot be shown."""
    name = filename.decode(errors="replace").replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in name if character.isprintable())
