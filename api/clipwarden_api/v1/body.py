"""Bodies: JSON objects of at most 64 KiB, and the queries beside them, read without trust."""

from contextlib import aclosing
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from clipwarden import errors
from clipwarden.settings import UploadSettings
from clipwarden_api import jsonbody, text
from clipwarden_api.pace import paced
from clipwarden_api.v1 import problems
from clipwarden_api.v1.problems import Problem
from clipwarden_api.v1.requests import Asking

#: Bytes of the longest body.
LONGEST = 64 * 1024

M = TypeVar("M", bound=Asking)


async def read(request: Request, settings: UploadSettings, model: type[M], *, optional: bool) -> M:
    """Return what the body asks for; an empty one asks for nothing, where that is enough.

    Raises Problem, and BodyStalled for a body that comes too slowly.
    """
    data = await _bytes(request, settings)
    if optional and not data:
        return model()
    if _type(request) != "application/json":
        raise Problem(415, "unsupported_media_type", "the body must be of the type application/json")
    if text.compressed(request.headers):
        raise Problem(415, "unsupported_media_type", "the body is compressed; it is only read as it is")
    try:
        jsonbody.parse(text.decode(data, "the body"))
    except errors.RequestRefused as exc:
        raise Problem(400, exc.code, str(exc)) from exc
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as exc:
        raise problems.invalid(exc) from exc


def query(request: Request, model: type[M]) -> M:
    """Return what the query asks for; raises Problem for an unknown name and for one that is given twice."""
    pairs = request.query_params.multi_items()
    named: dict[str, Any] = dict(pairs)
    if len(named) != len(pairs):
        raise Problem(422, "invalid_request", "the query gives a name twice")
    try:
        return model.model_validate_strings(named)
    except ValidationError as exc:
        raise problems.invalid(exc, query=True) from exc


def _type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _bytes(request: Request, settings: UploadSettings) -> bytes:
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said) > LONGEST:
        raise _too_long()
    data = bytearray()
    async with aclosing(paced(request.stream(), settings)) as body:
        async for some in body:
            data += some
            if len(data) > LONGEST:
                raise _too_long()
    return bytes(data)


def _too_long() -> Problem:
    return Problem(413, "body_too_long", f"a body may have {LONGEST} bytes", headers={"Connection": "close"})
