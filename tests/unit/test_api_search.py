"""Search expressions are read as they are meant, and refused where they are wrong, with the place."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden_api.refusals import Refusal
from clipwarden_api.search import sql
from clipwarden_api.search.expression import DEEPEST, All, Any, Is, Node, Not, Range, Term, Value, parse

NOW = datetime(2026, 5, 17, 12, tzinfo=UTC)


def bare(node: Node | None) -> object:
    """Return a tree without places."""
    match node:
        case Not(of=inner):
            return ("not", bare(inner))
        case All(of=parts):
            return ("all", *map(bare, parts))
        case Any(of=parts):
            return ("any", *map(bare, parts))
        case Term(value=Range() as value):
            ends = tuple(end and end.text for end in (value.low, value.high))
            return (node.field, str(node.compared), ends, value.closed)
        case Term(value=Value() as value):
            return (node.field, str(node.compared), value.text, value.begins)
        case _:
            return None


def understood(text: str) -> None:
    node = parse(text)
    if node is not None:
        sql.condition(node, NOW)


def t(field: str | None, text: str, compared: str = ":", *, begins: bool = False) -> tuple[object, ...]:
    return (field, compared, text, begins)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", None),
        ("cat", t(None, "cat")),
        ("resource_type:video", t("resource_type", "video")),
        (
            "resource_type:video AND moderation_status=rejected",
            ("all", t("resource_type", "video"), t("moderation_status", "rejected", "=")),
        ),
        ("a b OR c", ("any", ("all", t(None, "a"), t(None, "b")), t(None, "c"))),
        ("a AND (b OR c)", ("all", t(None, "a"), ("any", t(None, "b"), t(None, "c")))),
        ("NOT a AND -tags:b", ("all", ("not", t(None, "a")), ("not", t("tags", "b")))),
        ("+a NOT NOT b", ("all", t(None, "a"), t(None, "b"))),
        ('tags:"two words" "a \\"b\\" c"', ("all", t("tags", "two words"), t(None, 'a "b" c'))),
        ("public_id:in/ho*", t("public_id", "in/ho", begins=True)),
        ("public_id:in/ho\\*", t("public_id", "in/ho*")),
        ("bytes>10mb", t("bytes", "10mb", ">")),
        ("bytes:[1kb TO 2mb]", ("bytes", ":", ("1kb", "2mb"), True)),
        ("bytes={* TO 5}", ("bytes", "=", (None, "5"), False)),
        ('created_at:["2026-01-01" TO 1d]', ("created_at", ":", ("2026-01-01", "1d"), True)),
        ("context.Title:x", t("context.title", "x")),
        ("some-thing", t(None, "some-thing")),
        ("uploaded_at>1d", t("uploaded_at", "1d", ">")),
    ],
)
def test_an_expression_is_read_as_it_is_meant(text: str, tree: object) -> None:
    assert bare(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("(a", 2),
        ("a)", 1),
        ("AND", 0),
        ("a AND", 5),
        ("tags:", 5),
        ("tags: x", 5),
        ("NOT", 3),
        ('"a', 0),
        ("[a TO b]", 0),
        ("bytes>[1 TO 2]", 6),
        ("bytes:[1 TO 2}", 6),
        ("nothing:x", 0),
        ("a AND bytes:big", 12),
        ("bytes>1d", 6),
        ("created_at>soon", 11),
        ("created_at>2026-13-01", 11),
        ("tags>5", 0),
        ("tags:[a TO b]", 0),
        ("(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1), DEEPEST),
    ],
)
def test_a_fault_is_refused_with_its_place(text: str, place: int) -> None:
    with pytest.raises(Refusal, match=rf"Query Error \(at position {place}\)") as caught:
        understood(text)
    assert caught.value.status == 400


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


TERMS = st.builds(
    lambda field, text, compared, begins: Term(
        field=field,
        compared=Is(compared) if field else Is.HAS,
        value=Value(text=text, begins=begins),
        at=0,
    ),
    st.none() | st.sampled_from(["tags", "public_id", "context.a"]),
    WORDS,
    st.sampled_from([":", "="]),
    st.booleans(),
)
TREES = st.recursive(
    TERMS,
    lambda inner: (
        st.builds(Not, inner.filter(lambda one: not isinstance(one, Not)))
        | st.builds(lambda parts: All(tuple(parts)), st.lists(inner, min_size=2, max_size=3))
        | st.builds(lambda parts: Any(tuple(parts)), st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=12,
)


def written(node: Node) -> str:
    match node:
        case Not(of=inner):
            return f"NOT ({written(inner)})"
        case All(of=parts):
            return " AND ".join(f"({written(part)})" for part in parts)
        case Any(of=parts):
            return " OR ".join(f"({written(part)})" for part in parts)
        case Term(field=field, compared=compared, value=value):
            assert isinstance(value, Value)
            return f"{f'{field}{compared}' if field else ''}{quoted(value.text)}{'*' if value.begins else ''}"


@given(TREES)
def test_what_is_written_is_read_again(tree: Node) -> None:
    assert bare(parse(written(tree))) == bare(tree)


@given(st.text(max_size=200) | st.text('()[]{}"\\*:=<>-+ abANDORTO1', max_size=400))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(Refusal):
        understood(text)
