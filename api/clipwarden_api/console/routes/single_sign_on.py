"""Signing in by a provider that vouches for people: the way there, and the way back."""

from datetime import datetime, timedelta

from starlette.responses import RedirectResponse, Response

from clipwarden import logs
from clipwarden.store import sign_in_flows
from clipwarden.store.engine import write
from clipwarden_api import oidc
from clipwarden_api.console import cookie
from clipwarden_api.console.routes import signing_in
from clipwarden_api.console.turned import Turned
from clipwarden_api.console.visit import Visit
from clipwarden_api.oidc import Provider, Refused, Way

log = logs.logger(__name__)

#: For which somebody is expected back.
_LIVES = timedelta(minutes=10)


def begin(visit: Visit) -> Response:
    """Send somebody to the provider, and remember that they are expected back."""
    provider, way = _provider(visit), Way.new()
    try:
        address = provider.address(way)
    except Refused as exc:
        return _refused(visit, exc)
    now = visit.services.clock.now()
    with write(visit.services.engine) as conn:
        sign_in_flows.begin(conn, way.key, leads_to=visit.next(), lives=_LIVES, now=now)
    answer = RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
    cookie.give_way(answer, way.token, visit.console, lives=_LIVES)
    return answer


def come_back(visit: Visit) -> Response:
    """Begin a session for whoever comes back from the provider in the browser that was sent there, once."""
    provider = _provider(visit)
    now = visit.services.clock.now()
    way = Way(visit.way or "", visit.asked.text("state") or "")
    try:
        leads_to = _expected(visit, way, now=now)
        person = provider.person(way, _code(visit), issuer=visit.asked.text("iss"), now=now)
        with write(visit.services.engine) as conn:
            user = oidc.admit(conn, person, visit.services.settings.oidc, now=now)
            token = signing_in.session(conn, visit, user, now=now)
    except Refused as exc:
        return _refused(visit, exc)
    log.info("signed in", user=user.name, address=visit.address, by=provider.label)
    answer = visit.leads_to(leads_to)
    cookie.give(answer, token, visit.console)
    cookie.take_way(answer, visit.console)
    return answer


def _provider(visit: Visit) -> Provider:
    if (provider := visit.services.provider) is None:
        raise Turned(404, "There is no such page.")
    return provider


def _expected(visit: Visit, way: Way, *, now: datetime) -> str:
    """Return where somebody wanted to go before they were sent to the provider; only once."""
    with write(visit.services.engine) as conn:
        leads_to = sign_in_flows.end(conn, way.key, now=now)
    if visit.way is None or leads_to is None:
        raise Refused("nobody is expected", told="This sign-in was ended before, or took too long. Try again.")
    return leads_to


def _code(visit: Visit) -> str:
    if (fault := visit.asked.text("error")) is not None:
        told = "You were not signed in." if fault == "access_denied" else None
        raise Refused(f"the provider says {fault!r:.100}", told=told)
    if (code := visit.asked.text("code")) is None:
        raise Refused("there is no code")
    return code


def _refused(visit: Visit, fault: Refused) -> Response:
    log.warning("sign-in refused", reason=str(fault)[:500], address=visit.address)
    return visit.page("sign_in.html", status=fault.status, next="/", name="", wrong=fault.told)
