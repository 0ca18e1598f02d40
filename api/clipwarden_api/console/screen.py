"""A path of the console, who may go there, and what it does; every request passes through here."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from clipwarden import errors, logs
from clipwarden.people import Role
from clipwarden.store import sessions
from clipwarden.store.engine import read, write
from clipwarden_api import calls
from clipwarden_api.console import cookie, pages
from clipwarden_api.console.turned import SignInFirst, Turned
from clipwarden_api.console.visit import ROOT, SignedIn, Visit
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import Refusal
from clipwarden_api.services import Services

log = logs.logger(__name__)

Work = Callable[[Visit], Response]

_LATER = "This cannot be done right now. Try again in a moment."
_OTHERS = "This request came from another site, and was not carried out."
_OUTDATED = "This page is from before you last signed in, so nothing was done. Load it again and repeat what you did."


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One method of one path."""

    method: str
    path: str
    work: Work
    role: Role | None  #: The least that may; ``None`` for everybody, signed in or not.


def handler(screens: Mapping[str, Screen]) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of one path, whose screens are given by their methods."""

    async def handle(request: Request) -> Response:
        screen = screens["GET" if request.method == "HEAD" else request.method]
        visit = stranger(request)
        try:
            visit = await _admitted(screen, request)
            return await run_in_threadpool(screen.work, visit)
        except SignInFirst:
            return _to_sign_in(request)
        except ClientDisconnect:
            return Response(status_code=400)  # Nobody reads it.
        except Exception as exc:  # noqa: BLE001 # whatever it is, a person reads the answer
            return _refused(visit, screen, exc)

    return handle


def stranger(request: Request) -> Visit:
    """Return a request of which it is not known who makes it."""
    services = calls.services_of(request)
    return Visit(
        services=services,
        asked=Parameters(values=dict(request.query_params)),
        path={name: str(value) for name, value in request.path_params.items()},
        here=request.scope["path"].removeprefix(ROOT) or "/",
        address=request.client.host if request.client is not None else "",
        token=cookie.token(request, services.settings.console),
        way=cookie.way(request, services.settings.console),
        fragment="hx-request" in request.headers,
        etag=request.headers.get("if-none-match"),
        who=None,
    )


async def _admitted(screen: Screen, request: Request) -> Visit:
    """Return the visit of somebody who may do this; raises SignInFirst and Turned."""
    visit = stranger(request)
    writes = screen.method != "GET"
    if writes and not _from_here(request):
        raise Turned(403, _OTHERS)
    who = await run_in_threadpool(_signed_in, visit.services, visit.token)
    if screen.role is not None and who is None:
        raise SignInFirst
    asked = await calls.read(request) if writes else calls.query(request)
    if screen.role is not None and who is not None:
        if writes and not cookie.proves(asked.text(cookie.FIELD), visit.token or ""):
            raise Turned(403, _OUTDATED)
        if not who.user.role.covers(screen.role):
            raise Turned(403, f"This is for people whose role is {screen.role}; yours is {who.user.role}.")
    return replace(visit, asked=asked, who=who)


def _signed_in(services: Services, token: str | None) -> SignedIn | None:
    if token is None:
        return None
    now, idle = services.clock.now(), timedelta(seconds=services.settings.console.session_idle)
    with read(services.engine) as conn:
        session = sessions.find(conn, token, idle=idle, now=now)
    if session is None:
        return None
    if session.is_stale(now):
        with write(services.engine) as conn:
            sessions.note_use(conn, session.id, now=now)
    return SignedIn(user=session.user, session_id=session.id, csrf=cookie.proof(token), since=session.created_at)


def _from_here(request: Request) -> bool:
    """Say whether a form is one of our own pages', as far as the browser tells; programs tell nothing."""
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _to_sign_in(request: Request) -> Response:
    if request.method not in ("GET", "HEAD"):
        return pages.answer("turned.html", status=401, visit=stranger(request), message="Sign in first.")
    wanted = request.scope["path"].removeprefix(ROOT) or "/"
    query = f"?{request.url.query}" if request.url.query else ""
    to = f"{ROOT}/sign-in?next={quote(wanted + query, safe='/')}"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": to} | pages.HEADERS)
    return RedirectResponse(to, status_code=303, headers=pages.HEADERS)


def _refused(visit: Visit, screen: Screen, error: Exception) -> Response:
    """Return the page that tells a person what was not done, and why."""
    status, message = _told(error)
    if status >= 500:  # noqa: PLR2004 # ours
        ours = not isinstance(error, errors.ClipwardenError)
        # A link's path is its secret, and so would be what stands in a traceback's frames.
        log.error(
            "request failed",
            screen=screen.path,
            reason=str(error)[:500],
            exc_info=error if ours else None,
        )
    return pages.answer("turned.html", status=status, visit=visit, message=message)


def _told(error: Exception) -> tuple[int, str]:
    if isinstance(error, Turned | Refusal):
        return error.status, error.message
    if isinstance(error, errors.NotFound | errors.MediaNotFound):
        return 404, "There is no such thing, or it is not yours to see."
    if isinstance(error, errors.Conflict):
        return 409, str(error)
    if isinstance(error, errors.TransientError):
        return 503, _LATER
    if isinstance(error, errors.PermanentError) and not isinstance(error, errors.ConfigurationError):
        return 422, str(error)
    return 500, "Something is wrong with the service. Its operator finds the reason in the log."
