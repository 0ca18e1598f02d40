"""Reads the text of a moderation parameter, and says what is wrong with it in words that help.

::

    parameter := "aws_rek_video" ( ":" category ":" ( decimal | "ignore" ) | ":min_confidence:" decimal )*
               | "aws_rek" ( ":min_confidence:" decimal )+
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from clipwarden.errors import PolicyError
from clipwarden.taxonomy import SLUGS, canonical

KIND = "aws_rek_video"
MIN_CONFIDENCE = "min_confidence"
IGNORE = "ignore"
#: Longest parameter that is read; twice what naming every category takes.
MAX_LENGTH = 8192

_IMAGES = "aws_rek"
# Twelve decimals are more than a confidence has, and few enough for a float to hold exactly (Rule.limit).
_DECIMAL = re.compile(r"(?:[01](?:\.[0-9]{1,12})?|\.[0-9]{1,12})")
_THRESHOLD = "a decimal from 0.0 to 1.0 with at most 12 decimals"
_SHOWN = 60
_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a parameter says: thresholds by slug in the order written, and what to ask Rekognition for."""

    thresholds: dict[str, Decimal | None]
    min_confidence: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What stands between two colons, and where."""

    text: str
    position: int

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= _SHOWN else self.text[:_SHOWN] + "…"
        return f"{shown!a} (at {self.position})" if self.text else f"nothing (at {self.position})"

    def wrong(self, message: str, suggestions: tuple[str, ...] = ()) -> PolicyError:
        return PolicyError(message, position=self.position, part=self.text, suggestions=suggestions)


def parse(text: str) -> Parsed:
    """Read a parameter; raises PolicyError for the first part that is wrong."""
    kind, *rest = _split(text)
    _check_kind(kind, rest)
    read: dict[str, Decimal | None] = {}
    for category, value in _pairs(rest):
        slug = _category(category)
        threshold = _threshold(slug, category, value)
        if slug in read and read[slug] != threshold:
            raise category.wrong(f"{category} is set twice, to different values: keep one of them")
        read[slug] = threshold
    return Parsed(min_confidence=read.pop(MIN_CONFIDENCE, None), thresholds=read)


def spell(threshold: Decimal | None) -> str:
    """Return a threshold as it stands in a canonical parameter: one decimal at least, no idle zeros."""
    if threshold is None:
        return IGNORE
    text = f"{threshold.normalize():f}"
    return text if "." in text else f"{text}.0"


def _split(text: str) -> list[_Part]:
    if len(text) > MAX_LENGTH:
        beyond = _Part(text=text[MAX_LENGTH : MAX_LENGTH + _SHOWN], position=MAX_LENGTH)
        raise beyond.wrong(f"the moderation parameter is longer than {MAX_LENGTH} characters")
    parts = []
    position = 0
    for part in text.split(":"):
        parts.append(_Part(text=part, position=position))
        position += len(part) + 1
    if len(parts) > 1 and not parts[-1].text:
        colon = _Part(text=":", position=len(text) - 1)
        raise colon.wrong("the parameter ends with a colon: a category and its threshold, or nothing, must follow")
    return parts


def _check_kind(kind: _Part, rest: list[_Part]) -> None:
    if not kind.text:
        raise kind.wrong(f"the moderation parameter must begin with {KIND}", (KIND,))
    if kind.text == _IMAGES:
        if not rest or any(part.text != MIN_CONFIDENCE for part in rest[::2]):
            raise kind.wrong(f"{_IMAGES} moderates images: for a video, begin with {KIND}", (KIND,))
    elif kind.text != KIND:
        raise kind.wrong(f"{kind} is not a kind of moderation that has a policy: begin with {KIND}", (KIND,))


def _pairs(parts: list[_Part]) -> Iterator[tuple[_Part, _Part]]:
    for index in range(0, len(parts), 2):
        if index + 1 == len(parts):
            category = parts[index]
            _category(category)
            raise category.wrong(f"{category} has no threshold: :0.0 to :1.0 or :{IGNORE} must follow")
        yield parts[index], parts[index + 1]


def _category(part: _Part) -> str:
    if part.text == MIN_CONFIDENCE:
        return MIN_CONFIDENCE
    if (slug := canonical(part.text)) is not None:
        return slug
    near = _near(part.text)
    advice = f"did you mean {' or '.join(near)}?" if near else f"expected a category's name, such as {SLUGS[0]}"
    raise part.wrong(f"{part} is not a category of Rekognition's: {advice}", near)


def _near(text: str) -> tuple[str, ...]:
    wanted = "_".join(text[:_SHOWN].lower().split())
    return tuple(difflib.get_close_matches(wanted, (*SLUGS, MIN_CONFIDENCE), n=_SUGGESTIONS))


def _threshold(slug: str, category: _Part, value: _Part) -> Decimal | None:
    if value.text == IGNORE and slug != MIN_CONFIDENCE:
        return None
    if _DECIMAL.fullmatch(value.text) and (threshold := Decimal(value.text)) <= 1:
        return threshold.normalize()
    expected = f"expected {_THRESHOLD}" if slug == MIN_CONFIDENCE else f"expected {_THRESHOLD}, or {IGNORE}"
    if canonical(value.text) is not None:
        expected += "; every category needs one of its own"
    raise value.wrong(f"{value} is not a threshold for {category.text}: {expected}")
