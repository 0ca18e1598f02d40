"""Whoever compares a secret with what was sent takes the same time for every text, wherever in the code that is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(file for package in ("api", "shared", "workers", "local") for file in (ROOT / package).rglob("*.py"))

_SECRET = re.compile(r"(secret|signature|token|digest|proof|password|nonce|hmac|seal|csrf|credential|_hash)s?$")
#: Comparisons that look like those of secrets, and why they are none.
HARMLESS = {
    ("api/clipwarden_api/console/routes/signing_in.py", "password != again"): "both were sent by the same person",
    ("api/clipwarden_api/console/routes/signing_in.py", "users.password_hash(conn, name) != kept"): "both are our own",
    ("api/clipwarden_api/console/passwords.py", "SHORTEST <= len(password) <= LONGEST"): "of lengths, of one's own",
    ("api/clipwarden_api/console/passwords.py", "len(password) > LONGEST"): "of lengths: that limit is no secret",
    **{
        (f"api/clipwarden_api/console/{file}.py", "sessions.find(conn, token, idle=idle, now=now)"): "it asks by digest"
        for file in ("screen", "routes/events")
    },
    ("api/clipwarden_api/chunks.py", "name not in _CREDENTIALS"): "of fields' names",
    ("api/clipwarden_api/search/expression.py", "given.start() != token.end()"): "of places in a text",
    ("api/clipwarden_api/search/expression.py", "self._place < len(self._tokens)"): "of places in a text",
    ("api/clipwarden_api/search/expression.py", "token['word'] in words"): "of words of a search",
    ("api/clipwarden_api/console/static.py", "digest != request.path_params['digest']"): "of a file that all may read",
    ("shared/clipwarden/store/searching.py", "digest != _digest(question)"): "keyless: it only finds mistakes",
    ("shared/clipwarden/media/s3.py", "self._mark(target) != token.partition('.')[0]"): "of an S3 upload; S3 decides",
    ("local/clipwarden_local/analysis/models.py", "digest != weights.sha256"): "of a file that all may read",
    **{
        (f"shared/clipwarden/store/{file}.py", text): "asked of the database by digest: time tells of no token"
        for file, text in (
            ("users", "_c.link_hash == digest(token)"),
            ("sessions", "_c.token_hash == users.digest(token)"),
            ("sign_in_flows", "_c.state_hash == users.digest(state)"),
        )
    },
}


def _names(side: ast.expr) -> Iterator[str]:
    """Yield what a side of a comparison is called, or is made by."""
    match side:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Call(func=called, args=args):
            yield from _names(called)
            for arg in args:
                yield from _names(arg)
            if isinstance(called, ast.Attribute):
                yield from _names(called.value)
        case ast.Subscript(value=value, slice=ast.Constant(value=str(name))):
            yield name
            yield from _names(value)
        case ast.Subscript(value=value):
            yield from _names(value)


#: Methods that stop at the first character that differs.
_METHODS = {
    *("startswith", "endswith", "removeprefix", "removesuffix", "index", "find", "count"),
    *("__eq__", "__ne__", "__contains__"),
}
_COMPARED = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def _sides(node: ast.AST) -> Iterator[tuple[list[ast.expr], ast.AST]]:
    """Yield what is compared with each other in a place, with the place."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for before, operator, after in zip([left, *comparators], ops, comparators, strict=False):
                if isinstance(operator, _COMPARED):
                    yield [before, after], node
        case ast.Call(func=ast.Attribute(attr=method, value=value), args=args) if method in _METHODS:
            for arg in args:
                yield [value, arg], node
        case ast.Match(subject=subject, cases=cases):
            for case in cases:
                for pattern in ast.walk(case.pattern):
                    if isinstance(pattern, ast.MatchValue):
                        yield [subject, pattern.value], subject


def _is_written_down(side: ast.expr) -> bool:
    """Say whether a side stands in the code: then it is no secret, and the other is looked at, not compared."""
    match side:
        case ast.Constant():
            return True
        case ast.Tuple(elts=elts) | ast.Set(elts=elts) | ast.List(elts=elts):
            return all(map(_is_written_down, elts))
    return False


def _plain(source: str) -> Iterator[str]:
    """Yield the comparisons of what is called like a secret with anything that was not written down beside it."""
    seen = set()
    for node in ast.walk(ast.parse(source)):
        for sides, place in _sides(node):
            if any(map(_is_written_down, sides)) or place in seen:
                continue
            if any(_SECRET.search(name.lower()) for side in sides for name in _names(side)):
                seen.add(place)
                yield ast.unparse(place)


def _texts(source: str) -> Iterator[str]:
    """Yield the calls of ``compare_digest`` that are given texts: of those it takes ASCII only."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and "compare_digest" in ast.unparse(node.func):
            for arg in node.args:
                encoded = isinstance(arg, ast.Call) and ast.unparse(arg.func).rpartition(".")[2] in _BYTES
                if not encoded and ast.unparse(arg) not in _BYTES:
                    yield ast.unparse(node)


#: What makes bytes, and what is bytes already.
_BYTES = {"encode", "_octets", "_seal", "seal", "expected"}


def test_secrets_are_compared_in_constant_time() -> None:
    found = {(str(file.relative_to(ROOT)), text) for file in SOURCES for text in _plain(file.read_text())}
    assert found == set(HARMLESS)


def test_no_text_that_is_not_ascii_breaks_a_comparison() -> None:
    found = [(file.name, text) for file in SOURCES for text in _texts(file.read_text())]
    assert not found
    assert sum("compare_digest" in file.read_text() for file in SOURCES) > 5


@pytest.mark.parametrize(
    "source",
    [
        "given.secret == known",
        "known != signature",
        "sign(body, key) == values['signature']",
        "row.api_secret.encode() == given",
        "low < high == token",
        "a is b == given.secret != c",
        "given in secrets",
        "token not in known",
        "signature.startswith(given)",
        "known.endswith(api_secret)",
        "given.__eq__(password)",
        "secret < given",
    ],
)
def test_a_plain_comparison_of_a_secret_is_seen(source: str) -> None:
    assert list(_plain(source)) == [source]


def test_a_match_of_a_secret_is_seen() -> None:
    assert list(_plain("match given.token:\n case known.value | None: pass")) == ["given.token"]
    assert list(_plain("match given:\n case account.secret: pass")) == ["given"]


@pytest.mark.parametrize(
    "source",
    ["secret is None", "token == ''", "'signature' in values", "kind in ('token', 'seal')", "token.startswith('v1,')"],
)
def test_what_is_compared_with_a_word_of_the_code_is_no_secret(source: str) -> None:
    assert not list(_plain(source))


def test_a_comparison_of_texts_is_seen() -> None:
    assert list(_texts("hmac.compare_digest(a, b.encode())"))
    assert not list(_texts("hmac.compare_digest(a.encode(), b.encode())"))
