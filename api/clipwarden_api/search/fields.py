"""The fields that search expressions are about, and how their values are written."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from clipwarden_api.refusals import Refusal, bad
from clipwarden_api.search.expression import Value, fault


class Kind(Enum):
    """How a field's values are compared."""

    NAME = auto()  #: ``:`` finds what contains the text, whatever its case.
    EXACT = auto()  #: The whole text, or its beginning with ``*``.
    NUMBER = auto()
    MOMENT = auto()


#: By name; ``context.KEY`` is an exact one too. Those that are several are alike, for programs use either.
KINDS = {
    **dict.fromkeys(("public_id", "display_name", "filename"), Kind.NAME),
    **dict.fromkeys(("resource_type", "type", "format", "asset_id", "asset_folder", "folder", "tags"), Kind.EXACT),
    **dict.fromkeys(("moderation_status", "moderation_kind", "status"), Kind.EXACT),
    **dict.fromkeys(("bytes", "width", "height", "duration", "version"), Kind.NUMBER),
    **dict.fromkeys(("created_at", "uploaded_at", "updated_at"), Kind.MOMENT),
}

_UNITS: dict[str, dict[str, int]] = {
    "bytes": {"": 1, "b": 1, **{f"{unit}{b}": 1024**n for n, unit in enumerate("kmgt", 1) for b in ("", "b")}},
    "duration": {"": 1, "s": 1, "m": 60, "h": 3600},
}
_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([a-zA-Z]{0,2})", re.ASCII)
_AGO = re.compile(r"(\d{1,5})\s*(h|d|w|m|y)(?:\s+ago)?", re.ASCII)
_LENGTHS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}
_DATE = re.compile(r"\d{4}(?:[-/]\d{2}[-/]\d{2})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The moments that a date stands for, from ``begin`` up to, but without, ``end``."""

    begin: datetime
    end: datetime


def kind_of(field: str, at: int) -> Kind:
    """Return how a field is compared; raises Refusal for an unknown one."""
    if field.startswith("context.") and len(field) > len("context."):
        return Kind.EXACT
    if field not in KINDS:
        raise fault(at, f"there is no field {field[:40]}; there are {', '.join(sorted(KINDS))} and context.KEY")
    return KINDS[field]


def number(field: str, value: Value) -> float:
    """Return a number, ``1mb`` of bytes and ``2m`` of a duration among them; raises Refusal for what is none."""
    found = _NUMBER.fullmatch(value.text)
    units = _UNITS.get(field, {"": 1})
    if found is None or value.begins or found[2].lower() not in units:
        raise _wrong(field, value, "a number" + (", such as 10mb" if field == "bytes" else ""))
    return float(found[1]) * units[found[2].lower()]


def moment(field: str, value: Value, now: datetime) -> Span:
    """Return the moment, or the day or year, that a text names: a date, an instant in ISO 8601, or a time ago."""
    if value.begins:
        raise _wrong(field, value, "a date")
    if (ago := _AGO.fullmatch(value.text)) is not None:
        then = now - timedelta(days=int(ago[1]) * _LENGTHS[ago[2]])
        return Span(begin=then, end=then)
    try:
        if _DATE.fullmatch(value.text):
            return _day(value.text.replace("/", "-"))
        then = datetime.fromisoformat(value.text)
    except ValueError:
        raise _wrong(field, value, "a date, such as 2026-01-31, or 1d, 2w and the like for a time ago") from None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return Span(begin=then, end=then)


def _day(text: str) -> Span:
    if "-" not in text:
        begin = datetime(int(text), 1, 1, tzinfo=UTC)
        return Span(begin=begin, end=begin.replace(year=begin.year + 1))
    begin = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return Span(begin=begin, end=begin + timedelta(days=1))


def _wrong(field: str, value: Value, expected: str) -> Refusal:
    return fault(value.at, f"{field} is compared with {expected}, not {value.text[:40]!r}")


def sortable(field: str) -> bool:
    """Say whether results can be put in the order of this field."""
    return KINDS.get(field) in (Kind.NUMBER, Kind.MOMENT) or field == "public_id"


def require_sortable(field: str) -> None:
    """Raise Refusal for a field that no order can follow."""
    if not sortable(field):
        there = sorted(name for name in KINDS if sortable(name))
        raise bad(f"Results cannot be sorted by {field[:40]}; by {', '.join(there)} they can")
