"""What a request asks for: its parameters, and the file that came with it."""

import re
from dataclasses import dataclass, field

from clipwarden.media.store import Stored
from clipwarden_api.fields import Values
from clipwarden_api.refusals import bad

_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "false", "no"}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that came in and is in the media store."""

    name: str  #: As the program called it, without folders; empty where it had no name.
    stored: Stored
    sha256: str | None  #: Unknown for a file that came in chunks, like its MD5.
    md5: str | None
    foreseen: str | None  #: What the bytes are claimed by, or go after a while; ``None`` for a file in chunks.


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """A request's parameters by name, read as Cloudinary's SDKs write them."""

    values: Values = field(default_factory=dict)
    file: File | None = None

    def text(self, name: str) -> str | None:
        """Return a parameter that is one text; ``None`` where it is absent or empty."""
        value = self.values.get(name)
        value = ",".join(value) if isinstance(value, list) else value
        return value or None

    def texts(self, name: str) -> list[str]:
        """Return a parameter that is a list: repeated, or separated by commas."""
        value = self.values.get(name)
        if isinstance(value, list):
            return value
        return [part.strip() for part in (value or "").split(",") if part.strip()]

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a parameter that is yes or no; raises Refusal for anything else."""
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in _TRUE | _FALSE:
            raise bad(f"Invalid value for parameter {name}: {value[:64]}")
        return value.lower() in _TRUE

    def number(self, name: str, *, default: int, least: int, most: int) -> int:
        """Return a whole number within bounds; raises Refusal for anything else."""
        value = self.text(name)
        if value is None:
            return default
        if not re.fullmatch(r"\d{1,12}", value, re.ASCII) or not least <= int(value) <= most:
            raise bad(f"Invalid value for parameter {name}: {value[:64]}; {least} to {most} are allowed")
        return int(value)
