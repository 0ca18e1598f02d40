"""One call of the APIs: read what is asked, find out who asks, do it in a thread, and answer as JSON."""

from collections.abc import Callable, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clipwarden import ids
from clipwarden.moderation import ResourceType
from clipwarden_api import credentials, form, text
from clipwarden_api.allowance import Allowance, Allowed
from clipwarden_api.credentials import Caller
from clipwarden_api.fields import Values
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import bad
from clipwarden_api.services import Services
from clipwarden_api.sink import Sink

#: Ids that one call may name: Cloudinary's limit.
MOST_IDS = 100

#: What a call does: services, who asks, what is asked, and the variables of the path.
Work = Callable[[Services, Caller, Parameters, dict[str, str]], dict[str, Any]]


def admin(work: Work) -> Callable[[Request], Any]:
    """Return the handler of a call that is made with a key and its secret."""

    async def handle(request: Request) -> Response:
        services = services_of(request)
        caller, left = await run_in_threadpool(_admitted, services, request)
        asked = await read(request)
        answer = await run_in_threadpool(work, services, caller, asked, request.path_params)
        return JSONResponse(answer, headers=left.headers())

    return handle


async def read(request: Request) -> Parameters:
    """Return the parameters of a request that brings no file."""
    async with form.reading(request, services_of(request).settings.upload, _no_file, limit=0) as found:
        return Parameters(values=found.fields)


def query(request: Request) -> Parameters:
    """Return the parameters of a request's query; raises RequestRefused for text that no database takes."""
    given = request.query_params.items()
    return Parameters(values={text.storable(name, "a name"): text.storable(value, name[:64]) for name, value in given})


async def _no_file(values: Values, filename: str | None, content_type: str | None) -> Sink:
    del values, filename, content_type
    raise bad("No file is expected here")


def services_of(request: Request) -> Services:
    """Return what the application was built with."""
    services: Services = request.app.state.services
    return services


def raw_path(request: Request) -> str:
    """Return the path as it stands in the request, still percent-encoded."""
    raw: bytes = request.scope.get("raw_path", b"")
    return raw.decode("ascii", "replace").partition("?")[0]


def authorised(services: Services, request: Request, values: Values, *, lenient: bool = False) -> Caller:
    """Return who makes an upload call: by HTTP Basic, or by the signature of its parameters."""
    if "authorization" in request.headers:
        return _by_secret(services, request)
    return credentials.by_signature(
        services.engine, request.path_params["cloud"], values, services.clock.now(), lenient=lenient
    )


def _admitted(services: Services, request: Request) -> tuple[Caller, Allowance]:
    caller = _by_secret(services, request)
    return caller, services.allowances.count(caller.account.id, Allowed.CALLS)


def _by_secret(services: Services, request: Request) -> Caller:
    given = credentials.basic(request.headers.get("authorization", ""))
    return credentials.by_secret(services.engine, request.path_params["cloud"], given)


def resource_type(path: dict[str, str], *, auto: bool = False) -> str:
    """Return the resource type that a path names; raises Refusal for an unknown one."""
    named = path["resource_type"]
    if named not in set(ResourceType) and not (auto and named == "auto"):
        raise bad(f"Invalid resource_type: {named[:64]}")
    return named


def asset_ids(texts: Sequence[str]) -> list[str]:
    """Return the ids that texts are; raises Refusal for a text that is none."""
    found = {given: ids.read(given) for given in texts}
    if wrong := [given for given, id in found.items() if id is None]:
        raise bad(f"Invalid asset_id: {wrong[0][:64]}")
    if len(found) > MOST_IDS:
        raise bad(f"At most {MOST_IDS} ids may be asked for at once")
    return [id for id in found.values() if id is not None]


def paging(form: Parameters) -> dict[str, Any]:
    """Return which page of a list is asked for; raises Refusal for one that cannot be."""
    direction = form.text("direction") or "desc"
    if direction not in {"asc", "desc", "1", "-1"}:
        raise bad(f"Invalid value for parameter direction: {direction[:64]}")
    return {
        "limit": form.number("max_results", default=10, least=1, most=500),
        "after": form.text("next_cursor"),
        "newest_first": direction in {"desc", "-1"},
    }
