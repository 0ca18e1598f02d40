"""Query strings, and bodies of the type ``application/x-www-form-urlencoded``."""

from urllib.parse import unquote_to_bytes

from clipwarden.errors import RequestRefused
from clipwarden_api import text
from clipwarden_api.event import Begun, Ended, Event

#: Bytes of a name as it is written.
_LONGEST_NAME = 4096


class Urlencoded:
    """Decodes fields as they come, with no more in memory than a name and what was fed."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._name = b""
        self._escape = b""  # The beginning of one that is cut in two.
        self._in_value = False

    def feed(self, data: bytes) -> list[Event]:
        """Return what the next bytes tell."""
        first, *others = data.split(b"&")
        self._read(first)
        for field in others:
            self._end()
            self._read(field)
        events, self._events = self._events, []
        return events

    def finish(self) -> list[Event]:
        """Return the last field's end."""
        self._end()
        events, self._events = self._events, []
        return events

    def _read(self, piece: bytes) -> None:
        if not self._in_value:
            name, separator, piece = piece.partition(b"=")
            self._name += name
            if len(self._name) > _LONGEST_NAME:
                raise RequestRefused(f"a field's name is longer than {_LONGEST_NAME} bytes")
            if not separator:
                return
            self._begin()
        self._read_value(piece)

    def _begin(self) -> None:
        self._events.append(Begun(name=text.decode(_unquote(self._name), "a field's name")))
        self._name, self._in_value = b"", True

    def _read_value(self, piece: bytes) -> None:
        piece = self._escape + piece
        escape = piece.rfind(b"%", -2)
        whole = len(piece) if escape == -1 else escape
        self._escape = piece[whole:]
        if whole:
            self._events.append(_unquote(piece[:whole]))

    def _end(self) -> None:
        if self._name:
            self._begin()
        if self._in_value:
            if self._escape:
                self._events.append(self._escape)
            self._events.append(Ended())
        self._escape, self._in_value = b"", False


def _unquote(written: bytes) -> bytes:
    return unquote_to_bytes(written.replace(b"+", b" "))
