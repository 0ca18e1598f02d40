"""Bodies of the type ``application/json``: an object whose members are the fields."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from clipwarden.errors import RequestRefused
from clipwarden_api import text
from clipwarden_api.event import Begun, Ended, Event


class JsonBody:
    """Decodes a body once it is complete; whoever feeds it bounds it.

    Nulls are absent, texts are themselves, lists are fields of the name with ``[]``, all else is JSON as text.
    """

    def __init__(self) -> None:
        self._body = bytearray()

    def feed(self, data: bytes) -> list[Event]:
        """Keep the bytes; return nothing yet."""
        self._body += data
        return []

    def finish(self) -> Iterator[Event]:
        """Yield all fields, one after the other: a short list can have many members; an empty body has none."""
        if self._body.strip():
            for name, value in parse(text.decode(self._body, "the body")).items():
                yield from _fields(name, value)


def parse(body: str) -> dict[str, Any]:
    """Return the object that a text is; raises RequestRefused for any other text, and for a name given twice."""
    try:
        value = json.loads(body, parse_constant=_refuse, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as exc:
        raise RequestRefused("the body is not JSON") from exc
    if not isinstance(value, dict):
        raise RequestRefused("the body is not a JSON object")
    return value


def _fields(name: str, value: object) -> Iterator[Event]:
    several = isinstance(value, list)
    for member in value if isinstance(value, list) else [value]:
        if member is not None:
            yield Begun(name=text.storable(f"{name}[]" if several else name, "a field's name"))
            yield text.storable(_text(member), name).encode()
            yield Ended()


def _text(value: object) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (ValueError, RecursionError) as exc:
        raise RequestRefused("the body holds what is not JSON") from exc


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(members)) != len(members):
        raise ValueError("a name is given twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
