"""What a decoder tells of a request's body, piece by piece, whatever its encoding."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A field begins; with a ``filename`` it is a file."""

    name: str
    filename: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A field has ended."""


#: Between the two come the field's bytes, in pieces of any size.
Event = Begun | bytes | bytearray | Ended


class Decoder(Protocol):
    """Turns a body into events, the same ones for the same bytes however they are cut.

    Both methods raise RequestRefused for what cannot be read.
    """

    def feed(self, data: bytes) -> Iterable[Event]:
        """Return what the next bytes tell; they are used up."""
        ...

    def finish(self) -> Iterable[Event]:
        """Return what the end of the body tells."""
        ...
