"""The routes of the Upload API: calls that change assets, signed or by HTTP Basic."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clipwarden.store import library
from clipwarden.store.engine import read
from clipwarden_api import asking, calls, chunks, credentials, form, removing, renaming, resources, uploading
from clipwarden_api.allowance import Allowed
from clipwarden_api.chunks import Chunk, Known
from clipwarden_api.credentials import Caller
from clipwarden_api.fields import Values
from clipwarden_api.parameters import File, Parameters
from clipwarden_api.refusals import bad
from clipwarden_api.services import Services
from clipwarden_api.sink import Sink

#: The calls whose signatures may leave out what the Python SDK adds to them.
_LENIENT = frozenset({"tags", "context", "metadata"})


def routes() -> list[Route]:
    """Return the routes."""
    base = "/v1_1/{cloud}/{resource_type}"
    each: dict[str, calls.Work] = {
        "explicit": _explicit,
        "destroy": _destroy,
        "rename": renaming.rename,
        "tags": _tags,
        "context": _context,
    }
    return [
        Route(f"{base}/upload", _upload, methods=["POST"]),
        *(Route(f"{base}/{action}", _signed(work, action), methods=["POST"]) for action, work in each.items()),
    ]


async def _upload(request: Request) -> Response:
    services = calls.services_of(request)
    wanted = calls.resource_type(request.path_params, auto=True)
    if (chunk := chunks.read_headers(request.headers, limit=services.settings.media.max_bytes)) is not None:
        return await _receive(request, wanted, chunk)

    began: list[str] = []
    admitted: list[tuple[Values, Caller]] = []

    async def on_file(values: Values, filename: str | None, _: str | None) -> Sink:
        # Where the credentials come first, a file is not taken from somebody who has none, or may not upload now.
        if "signature" in values or "authorization" in request.headers:
            admitted.append((dict(values), await run_in_threadpool(_admitted, services, request, values)))
        began.append(filename or "")
        target = await run_in_threadpool(uploading.place, services)
        return uploading.sink(services, target, limit=limit)

    limit = services.settings.media.max_bytes
    async with form.reading(request, services.settings.upload, on_file, limit=limit) as found:
        if admitted and admitted[0][0] == found.fields:
            caller, signed = admitted[0][1], True
        else:  # Fields came after the file: only now is it known that all of them are signed.
            caller, signed = await run_in_threadpool(_caller, services, request, found.fields)
        if not admitted:
            await run_in_threadpool(services.allowances.spend, caller.account.id, Allowed.UPLOADS)
        file = None
        if found.file is not None:
            foreseen = await run_in_threadpool(uploading.foresee, services, caller.account, found.file.target)
            received = await found.file.finish()
            assert received.stored is not None  # noqa: S101 # it was no session's
            file = File(
                name=began[0],
                stored=received.stored,
                sha256=received.sha256,
                md5=received.md5,
                foreseen=foreseen,
            )
        asked = Parameters(values=found.fields, file=file)
        answer = await run_in_threadpool(uploading.upload, services, caller, wanted, asked, signed=signed)
    return JSONResponse(answer)


async def _receive(request: Request, wanted: str, chunk: Chunk) -> Response:
    """Take a chunk of a file: who sends it has to say so before its bytes."""
    services, receiving = calls.services_of(request), chunks.Receiving(calls.services_of(request), chunk, wanted)
    callers: list[Caller] = []

    async def on_file(values: Values, filename: str | None, _: str | None) -> Sink | Known:
        caller, signed = await run_in_threadpool(_caller, services, request, values)
        await run_in_threadpool(services.allowances.spend, caller.account.id, Allowed.UPLOADS)
        callers.append(caller)
        return await receiving.begin(caller, values, filename or "", signed=signed)

    async with form.reading(request, services.settings.upload, on_file, limit=chunk.size) as found:
        if found.file is None:
            raise bad("A chunk must bring its bytes as a file")
        return JSONResponse(await receiving.finish(callers[0], found.file))


def _admitted(services: Services, request: Request, values: Values) -> Caller:
    caller = calls.authorised(services, request, values)
    services.allowances.spend(caller.account.id, Allowed.UPLOADS)
    uploading.require(services, caller, Parameters(values=values), signed=True)
    return caller


def _caller(services: Services, request: Request, values: Values) -> tuple[Caller, bool]:
    """Return who uploads, and whether they have proved it; raises Refusal for those who may not."""
    if "signature" in values or "authorization" in request.headers:
        return calls.authorised(services, request, values), True
    asked = Parameters(values=values)
    asking.require_unsigned(asked)
    with read(services.engine) as conn:
        return credentials.by_preset(conn, request.path_params["cloud"], asked.text("upload_preset")), False


def _signed(work: calls.Work, action: str) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        services = calls.services_of(request)
        asked = await calls.read(request)
        lenient = action in _LENIENT
        caller = await run_in_threadpool(calls.authorised, services, request, asked.values, lenient=lenient)
        await run_in_threadpool(services.allowances.spend, caller.account.id, Allowed.UPLOADS)
        return JSONResponse(await run_in_threadpool(work, services, caller, asked, request.path_params))

    return handle


def _explicit(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    return uploading.explicit(services, caller, calls.resource_type(path), asked)


def _destroy(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    name = uploading.named(calls.resource_type(path), asked)
    return {"result": "ok" if removing.remove(services, caller, name) else "not found"}


def _tags(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    return resources.tag(services, caller, _names(asked, path), asked)


def _context(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    return resources.set_context(services, caller, _names(asked, path), asked)


def _names(asked: Parameters, path: dict[str, str]) -> list[library.Name]:
    return resources.names(asked.texts("public_ids"), calls.resource_type(path), asked.text("type") or "upload")
