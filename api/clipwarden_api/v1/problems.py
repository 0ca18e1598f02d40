"""Refusals as problem details (RFC 9457), and which of our errors is told as which."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from clipwarden import errors
from clipwarden_api.refusals import Refusal
from clipwarden_api.v1.policy_models import Fault, ProblemDetails

MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[errors.ClipwardenError], int] = {
    errors.NotFound: 404,
    errors.MediaNotFound: 404,
    errors.BodyStalled: 408,
    errors.Conflict: 409,
    errors.MediaChanged: 409,
    errors.KeyInUse: 409,
    errors.KeyReused: 422,
    errors.PolicyError: 422,
    errors.SourceRefused: 422,
    errors.Overloaded: 503,
    errors.TransientError: 503,
    errors.ConfigurationError: 500,
    errors.PermanentError: 400,
}
_OURS = {500: "the service is not set up for this; its operator finds the reason in the log"}
#: What Cloudinary answers where others answer 429.
_SPENT = 420
_LATER = "temporarily unavailable, try again"
#: Characters of what came in that a fault repeats.
_SHOWN = 200


class Problem(Exception):
    """Raised to answer a request with a status, a code and what is wrong."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """Return the answer."""
        said = ProblemDetails(
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            code=self.code,
            detail=self.detail,
            errors=self.faults,
        )
        # ASCII: what came in may hold what UTF-8 cannot.
        body = json.dumps(said.model_dump(exclude_none=True))
        return Response(body, self.status, headers={"Cache-Control": "no-store"} | self.headers, media_type=MEDIA_TYPE)


def of(error: Exception) -> Problem:
    """Return how a caller is told of an error; what is our own fault is not told in detail."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refusal) and error.status == _SPENT:
        return Problem(429, "rate_limited", error.message, headers=error.headers)
    if isinstance(error, Refusal):
        return Problem(error.status, "invalid_request", error.message)
    if isinstance(error, errors.PolicyError):
        return policy(error)
    if not isinstance(error, errors.ClipwardenError):
        return Problem(500, "internal", "internal error; its reason is in the service's log")
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    retry = {"Retry-After": "1"} if isinstance(error, errors.TransientError | errors.KeyInUse) else {}
    detail = _LATER if status == HTTPStatus.SERVICE_UNAVAILABLE else _OURS.get(status, str(error))
    return Problem(status, error.code, detail, headers=retry)


def policy(error: errors.PolicyError, *, offset: int = 0) -> Problem:
    """Return what is wrong with the moderation parameter, which begins at ``offset`` of what came in."""
    fault = Fault(
        pointer="/moderation",
        detail=str(error),
        part=error.part[:_SHOWN],
        position=error.position + offset,
        suggestions=list(error.suggestions),
    )
    return Problem(422, error.code, str(error), faults=[fault])


def invalid(error: ValidationError, *, query: bool = False) -> Problem:
    """Return which fields are wrong."""
    details: Sequence[Any] = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [Fault(pointer=_pointer(one["loc"], query=query), detail=one["msg"]) for one in details]
    where = "the query" if query else "the body"
    return Problem(422, "invalid_request", f"{where} has {len(faults)} fault(s), see errors", faults=faults[:100])


def fault(pointer: str, detail: str) -> Problem:
    """Return that one field is wrong."""
    return Problem(422, "invalid_request", detail, faults=[Fault(pointer=pointer, detail=detail)])


def _pointer(location: Sequence[str | int], *, query: bool) -> str:
    names = [str(name)[:_SHOWN] for name in location]
    if query:
        return "?" + ".".join(names)
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
