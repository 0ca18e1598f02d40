"""The fields of a request, whatever encoding they came in."""

import re
from collections.abc import Mapping

from clipwarden.errors import RequestRefused

#: Lists as clients write them: ``x[]`` several times, or ``x[0]``, ``x[1]``…
_MEMBER = re.compile(r"(?P<name>.+)\[(?P<index>[0-9]{0,5})\]", re.DOTALL)
_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "false", "no"}

Values = Mapping[str, str | list[str]]


class Fields:
    """Collects fields and joins lists; a name that is given twice is refused, as no two readers would agree on it."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._texts: dict[str, str] = {}
        self._lists: dict[str, dict[tuple[str, int], str]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._texts or name in self._lists

    def add(self, name: str, value: str) -> None:
        """Add one field; raises RequestRefused for one too many, without a name, or given before."""
        self._left -= 1
        if self._left < 0 or not name:
            raise RequestRefused("a field has no name" if not name else "the request has too many fields")
        if (member := _MEMBER.fullmatch(name)) is None:
            self._add_text(name, value)
        else:
            self._add_member(member["name"], member["index"], value)

    def values(self) -> Values:
        """Return what was given so far; members of lists in the order of their numbers, else as they came."""
        lists = {name: [value for _, value in sorted(members.items())] for name, members in self._lists.items()}
        return {**self._texts, **lists}

    def _add_text(self, name: str, value: str) -> None:
        if name in self:
            raise RequestRefused(f"{name} is given twice")
        self._texts[name] = value

    def _add_member(self, name: str, index: str, value: str) -> None:
        members = self._lists.setdefault(name, {})
        place = ("numbered", int(index)) if index else ("", len(members))
        if name in self._texts or place in members:
            raise RequestRefused(f"{name} is given twice")
        members[place] = value


def flag(values: Values, name: str, *, default: bool = False) -> bool:
    """Return a boolean as Cloudinary's SDKs write them: ``1``, ``true``, ``0``, ``false``; an empty one is absent.

    Raises RequestRefused for anything else.
    """
    value = values.get(name, "")
    written = value.lower() if isinstance(value, str) else "[]"
    if written in _TRUE | _FALSE:
        return written in _TRUE
    if written:
        raise RequestRefused(f"{name} is neither true nor false")
    return default
