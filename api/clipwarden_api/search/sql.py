"""Search expressions as conditions on the rows of ``assets``; all texts are bound, never part of the SQL."""

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any as Whatever

import sqlalchemy as sa

from clipwarden import ids
from clipwarden.store import prefixes
from clipwarden.store.schema import asset_context, asset_tags, assets, moderations
from clipwarden_api.search import fields
from clipwarden_api.search.expression import All, Any, Is, Node, Not, Range, Term, Value, fault
from clipwarden_api.search.fields import Kind

Condition = sa.ColumnElement[bool]
_c = assets.c

_ORDERED: Mapping[Is, Callable[[Whatever, Whatever], Whatever]] = {
    Is.ABOVE: operator.gt,
    Is.AT_LEAST: operator.ge,
    Is.BELOW: operator.lt,
    Is.AT_MOST: operator.le,
}

#: What fields of expressions are in the table.
COLUMNS: Mapping[str, sa.ColumnElement[Whatever]] = {
    "public_id": _c.public_id,
    "display_name": sa.func.coalesce(_c.display_name, _c.public_id),
    "filename": sa.func.coalesce(_c.original_filename, ""),
    "resource_type": _c.resource_type,
    "type": _c.type,
    "format": sa.func.coalesce(_c.format, ""),
    "asset_folder": sa.func.coalesce(_c.asset_folder, ""),
    "folder": sa.func.coalesce(_c.asset_folder, ""),
    "bytes": sa.func.coalesce(_c.bytes, 0),
    "version": _c.version,
    "width": sa.func.coalesce(_c.facts["width"].as_integer(), 0),
    "height": sa.func.coalesce(_c.facts["height"].as_integer(), 0),
    "duration": sa.cast(sa.func.coalesce(_c.facts["duration_ms"].as_integer(), 0), sa.Float) / 1000,
    "created_at": _c.created_at,
    "uploaded_at": _c.created_at,
    "updated_at": _c.updated_at,
}


def condition(node: Node, now: datetime) -> Condition:
    """Return the condition that an expression sets; raises Refusal for fields and values that cannot be."""
    match node:
        case Not(of=inner):
            return sa.not_(condition(inner, now))
        case All(of=parts):
            return sa.and_(*(condition(part, now) for part in parts))
        case Any(of=parts):
            return sa.or_(*(condition(part, now) for part in parts))
        case Term(field=None, value=Value() as value):
            return _anywhere(value)
        case Term():
            return _compared(node, now)


def about_moderation(node: Node | None) -> bool:
    """Say whether an expression is about verdicts, and so finds what is out of sight too."""
    match node:
        case None:
            return False
        case Not(of=inner):
            return about_moderation(inner)
        case All(of=parts) | Any(of=parts):
            return any(about_moderation(part) for part in parts)
        case Term(field=field):
            return field in ("moderation_status", "moderation_kind")


def _compared(term: Term, now: datetime) -> Condition:
    assert term.field is not None  # noqa: S101 # words were taken before
    kind = fields.kind_of(term.field, term.at)
    if kind is Kind.NUMBER:
        return _number(term, term.field)
    if kind is Kind.MOMENT:
        return _moment(term, term.field, now)
    if isinstance(term.value, Range) or term.compared in _ORDERED:
        raise fault(term.at, f"{term.field} is a text: it is compared by ':' or '='")
    if kind is Kind.NAME:
        column = COLUMNS[term.field]
        return _name(column, term.value, whole=term.compared is Is.EQUAL)
    return _exact(term.field, term.value)


def _number(term: Term, field: str) -> Condition:
    column, value = COLUMNS[field], term.value
    if isinstance(value, Range):
        bounds = ((compare, end) for end, compare in _ends(value) if end is not None)
        return sa.and_(sa.true(), *(compare(column, fields.number(field, end)) for compare, end in bounds))
    compare: Callable[[Whatever, Whatever], Whatever] = _ORDERED.get(term.compared, operator.eq)
    answer: Condition = compare(column, fields.number(field, value))
    return answer


def _moment(term: Term, field: str, now: datetime) -> Condition:
    column, value = COLUMNS[field], term.value
    if isinstance(value, Range):
        low, high = (fields.moment(field, end, now) if end else None for end in (value.low, value.high))
        bounds: list[Condition] = [sa.true()]
        if low is not None:
            bounds.append(column >= low.begin if value.closed else column > low.begin)
        if high is not None:
            bounds.append(_until(column, high) if value.closed else column < high.begin)
        return sa.and_(*bounds)
    span = fields.moment(field, value, now)
    match term.compared:
        case Is.ABOVE:
            return column >= span.end if span.begin < span.end else column > span.begin
        case Is.AT_LEAST:
            return column >= span.begin
        case Is.BELOW:
            return column < span.begin
        case Is.AT_MOST:
            return _until(column, span)
        case _:
            return sa.and_(column >= span.begin, _until(column, span))


def _until(column: sa.ColumnElement[Whatever], span: fields.Span) -> Condition:
    return column < span.end if span.begin < span.end else column <= span.end


def _ends(span: Range) -> tuple[tuple[Value | None, Callable[[Whatever, Whatever], Whatever]], ...]:
    low, high = (operator.ge, operator.le) if span.closed else (operator.gt, operator.lt)
    return (span.low, low), (span.high, high)


def _name(column: sa.ColumnElement[str], value: Value, *, whole: bool) -> Condition:
    if value.begins:
        return prefixes.begins(column, value.text)
    if whole:
        return column == value.text
    return sa.func.lower(column).contains(value.text.lower(), autoescape=True)


def _exact(field: str, value: Value) -> Condition:
    if field == "tags":
        tags = sa.select(asset_tags.c.asset_id).where(
            asset_tags.c.account_id == _c.account_id, _same(asset_tags.c.tag, value)
        )
        return _c.id.in_(tags.correlate(assets))
    if field.startswith("context."):
        key, kept = field.removeprefix("context."), asset_context.c
        pairs = sa.select(kept.asset_id).where(kept.account_id == _c.account_id, sa.func.lower(kept.key) == key)
        return _c.id.in_(pairs.where(_same(kept.value, value)).correlate(assets))
    if field in ("moderation_status", "moderation_kind"):
        column = moderations.c.status if field == "moderation_status" else moderations.c.kind
        present = sa.select(moderations.c.id).where(
            moderations.c.asset_id == _c.id, moderations.c.superseded.is_(False)
        )
        return present.where(_same(column, value)).correlate(assets).exists()
    if field == "asset_id":
        id = ids.read(value.text)
        return _c.id == id if id is not None else sa.false()
    if field == "status":
        return sa.true() if value.text == "active" else sa.false()
    return _same(COLUMNS[field], value)


def _same(column: sa.ColumnElement[str], value: Value) -> Condition:
    return prefixes.begins(column, value.text) if value.begins else column == value.text


def _anywhere(value: Value) -> Condition:
    """Find a word in all that names and describes an asset."""
    own = (_name(COLUMNS[name], value, whole=False) for name in ("public_id", "display_name", "filename"))
    return sa.or_(*own, _exact("tags", value), _described(value))


def _described(value: Value) -> Condition:
    kept = asset_context.c
    pairs = sa.select(kept.asset_id).where(kept.account_id == _c.account_id, _name(kept.value, value, whole=False))
    return _c.id.in_(pairs.correlate(assets))
