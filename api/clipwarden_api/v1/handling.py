"""From a request to an operation and back: who asks, what is asked, whether it was answered before, and how."""

import contextlib
import dataclasses
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from clipwarden import errors, ids, logs
from clipwarden.store import idempotency
from clipwarden.store.engine import write
from clipwarden_api import calls
from clipwarden_api.allowance import Allowed
from clipwarden_api.v1 import access, body, problems
from clipwarden_api.v1.operation import Answer, Call, Operation
from clipwarden_api.v1.problems import Problem

log = logs.logger(__name__)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

Handler = Callable[[Request], Awaitable[Response]]


def handler(operations: Mapping[str, Operation]) -> Handler:
    """Return the handler of one path, whose operations are given by their methods."""

    async def handle(request: Request) -> Response:
        operation = operations["GET" if request.method == "HEAD" else request.method]
        try:
            return await _answered(operation, request)
        except Exception as exc:  # noqa: BLE001 # whatever it is, the answer has the API's form
            return refused(request, exc)

    return handle


def refused(request: Request, error: Exception) -> Response:
    """Return the answer that tells of an error, and log what is our own fault."""
    problem = problems.of(error)
    if problem.code == "internal":
        log.error("request broke", path=request.url.path, exc_info=error)
    elif problem.status >= 500:  # noqa: PLR2004 # ours
        log.error("request failed", code=problem.code, reason=str(error), path=request.url.path)
    return problem.response()


async def _answered(operation: Operation, request: Request) -> Response:
    services = calls.services_of(request)
    header = request.headers.get("authorization", "")
    caller = await run_in_threadpool(access.caller, services.engine, header)
    left = await run_in_threadpool(services.allowances.count, caller.account.id, Allowed.CALLS)
    call = Call(
        services=services,
        caller=caller,
        id=_id(request, operation),
        query=body.query(request, operation.query) if operation.query else None,
        asked=await body.read(request, services.settings.upload, operation.body, optional=operation.body_optional)
        if operation.body
        else None,
        path=request.url.path,
        accept=request.headers.get("accept", ""),
    )
    key = request.headers.get("idempotency-key") if operation.changes else None
    answer = await run_in_threadpool(_work, operation, call, key)
    response = answer if isinstance(answer, Response) else answer.response()
    response.headers.update(left.headers())
    return response


def _id(request: Request, operation: Operation) -> str:
    if (text := request.path_params.get("id")) is None:
        return ""
    if (id := ids.read(text)) is None:
        raise errors.NotFound(f"there is no such {operation.about}")
    return id


def _work(operation: Operation, call: Call, key: str | None) -> Answer | Response:
    return operation.work(call) if key is None else _once(operation, call, key)


def _once(operation: Operation, call: Call, key: str) -> Answer | Response:
    """Do it, or repeat the answer of when it was done."""
    engine, clock = call.services.engine, call.services.clock
    asked = _request(operation, call, key)
    with write(engine) as conn:
        claim = idempotency.claim(conn, asked, now=clock.now())
    if isinstance(claim, idempotency.Answer):
        return Answer(status=claim.status, body=claim.body, headers={"Idempotent-Replayed": "true"})
    try:
        return operation.work(dataclasses.replace(call, claim=claim))
    except BaseException:
        with contextlib.suppress(errors.StoreUnavailable), write(engine) as conn:
            idempotency.withdraw(conn, claim)
        raise


def _request(operation: Operation, call: Call, key: str) -> idempotency.Request:
    if not _KEY.fullmatch(key):
        raise Problem(400, "invalid_request", "an Idempotency-Key has 1 to 255 visible ASCII characters")
    asked = call.asked.model_dump_json() if call.asked is not None else None
    told = json.dumps([operation.name, call.id, asked])
    fingerprint = hashlib.sha256(told.encode()).hexdigest()
    return idempotency.Request(account_id=call.caller.account.id, key=key, fingerprint=fingerprint)
