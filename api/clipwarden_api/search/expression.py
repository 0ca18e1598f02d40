"""Search expressions: text to a tree, such as ``resource_type:video AND moderation_status=rejected``.

Facts: https://cloudinary.com/documentation/search_expressions. ``NOT`` and ``-`` bind closest, then ``AND``, which may
be left out, then ``OR``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from clipwarden_api.refusals import Refusal, bad

#: Longest expression, in characters, and the most terms and the deepest nesting in one.
LONGEST, MOST_TERMS, DEEPEST = 4000, 100, 20


class Is(StrEnum):
    """How a term compares."""

    HAS = ":"
    EQUAL = "="
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What a field is compared with."""

    text: str
    begins: bool = False  #: Whether only the beginning has to be this text: it was followed by ``*``.
    at: int = 0  #: Where it stands in the expression.


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A span of values."""

    low: Value | None  #: ``None`` for any, written ``*``.
    high: Value | None
    closed: bool  #: Whether its ends belong to it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A comparison; without a field, of all that names and describes an asset."""

    field: str | None
    compared: Is
    value: Value | Range
    at: int


@dataclass(frozen=True, slots=True)
class Not:
    """What must not hold."""

    of: "Node"


@dataclass(frozen=True, slots=True)
class All:
    """What must hold together."""

    of: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Any:
    """Of which one must hold."""

    of: "tuple[Node, ...]"


Node = Term | Not | All | Any

_TOKEN = re.compile(
    r"""\s+ | (?P<open>\() | (?P<close>\)) | (?P<not>-(?=\S)) | (?P<plus>\+(?=\S))
    | (?P<field>[A-Za-z_][A-Za-z0-9_.\-]*)(?P<compared>>=|<=|[:=<>])
    | (?P<range>[\[{]\s*(?P<low>"(?:[^"\\]|\\.)*"|[^\s\]}"]+)\s+TO\s+(?P<high>"(?:[^"\\]|\\.)*"|[^\s\]}"]+)\s*[\]}])
    | "(?P<phrase>(?:[^"\\]|\\.)*)"(?P<phrase_begins>\*?)
    | (?P<word>(?:[^\s()\[\]{}"\\]|\\.)+)""",
    re.VERBOSE | re.DOTALL,
)


def parse(text: str) -> Node | None:
    """Return what an expression says, ``None`` for an empty one; raises Refusal that names the place of a fault."""
    if len(text) > LONGEST:
        raise bad(f"Query Error: an expression has at most {LONGEST} characters")
    parser = _Parser(list(_tokens(text)), len(text))
    return parser.whole()


def fault(at: int, expected: str) -> Refusal:
    """Return the refusal of an expression that is wrong at a place."""
    return bad(f"Query Error (at position {at}): {expected}")


def _tokens(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise fault(at, f"unexpected {text[at]!r}")
        if not found[0].isspace():
            yield found
        at = found.end()


class _Parser:
    def __init__(self, tokens: list[re.Match[str]], end: int) -> None:
        self._tokens, self._end = tokens, end
        self._place = self._terms = self._depth = 0

    def whole(self) -> Node | None:
        if not self._tokens:
            return None
        node = self._any()
        if (left := self._next()) is not None:
            raise fault(left.start(), f"unexpected {left[0][:20]!r}")
        return node

    def _any(self) -> Node:
        found = [self._all()]
        while self._take("OR"):
            found.append(self._all())
        return found[0] if len(found) == 1 else Any(tuple(found))

    def _all(self) -> Node:
        found = [self._not()]
        while self._take("AND") or self._more():
            found.append(self._not())
        return found[0] if len(found) == 1 else All(tuple(found))

    def _more(self) -> bool:
        token = self._next()
        return token is not None and token["close"] is None and not _is(token, "OR")

    def _not(self) -> Node:
        negated = False
        while True:
            token = self._required()
            if _is(token, "NOT") or token["not"]:
                negated = not negated
            elif not token["plus"]:
                break
            self._place += 1
        node = self._primary()
        return Not(node) if negated else node

    def _primary(self) -> Node:
        token = self._required()
        self._place += 1
        if token["open"]:
            return self._group(token)
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise fault(token.start(), f"an expression has at most {MOST_TERMS} terms")
        if token["field"] is not None:
            return self._compared(token)
        if token["close"] or token["range"] or _is(token, "AND", "OR", "TO"):
            raise fault(token.start(), f"a field or a word is expected, not {token[0][:20]!r}")
        return Term(field=None, compared=Is.HAS, value=_value(token), at=token.start())

    def _group(self, opened: re.Match[str]) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise fault(opened.start(), f"parentheses are nested deeper than {DEEPEST}")
        node = self._any()
        closing = self._next()
        if closing is None or not closing["close"]:
            raise fault(self._end if closing is None else closing.start(), "')' is expected")
        self._place += 1
        self._depth -= 1
        return node

    def _compared(self, token: re.Match[str]) -> Node:
        given, compared = self._next(), Is(token["compared"])
        # What is compared stands right beside its field.
        if given is None or given.start() != token.end() or not (given["range"] or _text_of(given) is not None):
            raise fault(token.end(), f"a value is expected after {token[0]}")
        self._place += 1
        value = _range(given) if given["range"] else _value(given)
        if isinstance(value, Range) and compared not in (Is.HAS, Is.EQUAL):
            raise fault(given.start(), f"a range follows ':' or '=', not {compared!s:.2}")
        return Term(field=token["field"].lower(), compared=compared, value=value, at=token.start())

    def _take(self, word: str) -> bool:
        token = self._next()
        if token is None or not _is(token, word):
            return False
        self._place += 1
        return True

    def _next(self) -> re.Match[str] | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _required(self) -> re.Match[str]:
        token = self._next()
        if token is None:
            raise fault(self._end, "the expression ends where a field or a word is expected")
        return token


def _is(token: re.Match[str], *words: str) -> bool:
    return token["word"] in words


def _text_of(token: re.Match[str]) -> str | None:
    if token["phrase"] is not None:
        return token["phrase"]
    if token["word"] is not None or token["field"] is not None:
        return token[0]
    return "-" if token["not"] else None


def _value(token: re.Match[str]) -> Value:
    text = _text_of(token) or ""
    if token["phrase"] is not None:
        return Value(text=_plain(text), begins=bool(token["phrase_begins"]), at=token.start())
    begins = text.endswith("*") and not text.endswith("\\*")
    return Value(text=_plain(text[:-1] if begins else text), begins=begins, at=token.start())


def _range(token: re.Match[str]) -> Range:
    low, high = (_end(token, name) for name in ("low", "high"))
    opened, closing = token["range"][0], token["range"][-1]
    if (opened, closing) not in {("[", "]"), ("{", "}")}:
        raise fault(token.start(), "a range is written [a TO b], or {a TO b} without its ends")
    return Range(low=low, high=high, closed=opened == "[")


def _end(token: re.Match[str], name: str) -> Value | None:
    text = token[name]
    if text == "*":
        return None
    return Value(text=_plain(text[1:-1] if text.startswith('"') else text), at=token.start(name))


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
