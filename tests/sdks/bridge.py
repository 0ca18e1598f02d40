"""Makes calls of Cloudinary's Python SDK for a test: one JSON document a line on stdin, one answer a line on stdout.

It runs by itself, so that another version of the SDK than the tests' own can be on its path.
"""

# mypy: allow-untyped-calls, allow-untyped-defs

import json
import sys
from typing import Any

import cloudinary.api
import cloudinary.search
import cloudinary.uploader
import cloudinary.utils
from cloudinary import exceptions


def main() -> None:
    """Answer until stdin ends."""
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(_answer(**json.loads(line)), default=str)}\n")
        sys.stdout.flush()


def _answer(target: str, args: list[Any], options: dict[str, Any] | None) -> dict[str, Any]:
    try:
        return {"result": _find(target)(*args, **(options or {}))}
    except exceptions.Error as exc:
        return {"error": {"message": str(exc), "status": None, "name": type(exc).__name__}}


def _find(target: str) -> Any:
    if target == "search":
        return _search
    part, _, name = target.partition(".")
    return getattr(getattr(cloudinary, part), name)


def _search(expression: str, *, sort_by: tuple[tuple[str, str], ...] = (), **options: Any) -> Any:
    query = cloudinary.search.Search().expression(expression)
    for field, direction in sort_by:
        query.sort_by(field, direction)
    for name, value in options.items():
        getattr(query, name)(value)
    return query.execute()


if __name__ == "__main__":
    main()
