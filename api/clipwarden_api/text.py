"""Text from outside, as the rest of the program may rely on it."""

from collections.abc import Mapping

from clipwarden.errors import RequestRefused


def decode(data: bytes | bytearray, what: str) -> str:
    """Return UTF-8 as text that can be stored; raises RequestRefused, naming ``what`` it is."""
    try:
        return storable(data.decode(), what)
    except UnicodeDecodeError as exc:
        raise RequestRefused(f"{what} is not UTF-8") from exc


def storable(text: str, what: str) -> str:
    """Return text that can be written as UTF-8 and holds no NUL, which no database takes; raises RequestRefused."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise RequestRefused(f"{what} cannot be written as UTF-8") from exc
    if "\0" in text:
        raise RequestRefused(f"{what} holds a NUL")
    return text


def compressed(headers: Mapping[str, str]) -> bool:
    """Say whether a body is in an encoding that could make much of little; none of these is ever undone."""
    return headers.get("content-encoding", "").strip().lower() not in ("", "identity")
