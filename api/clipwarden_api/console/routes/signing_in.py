"""Signing in and out, and choosing a password by a link that was given to somebody."""

from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address

from sqlalchemy import Connection
from starlette.responses import Response

from clipwarden import logs
from clipwarden.people import User
from clipwarden.store import identities, sessions, sign_in_attempts, users
from clipwarden.store.engine import read, write
from clipwarden_api.console import cookie, passwords
from clipwarden_api.console.turned import Turned
from clipwarden_api.console.visit import Visit

log = logs.logger(__name__)

_WRONG = "The name or the password is wrong."


def ask(visit: Visit) -> Response:
    """Show the form; who is signed in goes on."""
    if visit.who is not None:
        return visit.leads_to(visit.next())
    return visit.page("sign_in.html", next=visit.next(), name="", wrong=None)


def sign_in(visit: Visit) -> Response:
    """Begin a session for whoever has the password; every attempt is counted before it is looked at."""
    name, password = visit.asked.text("name") or "", visit.asked.text("password") or ""
    if not name or not password:
        return _again(visit, name, 422, "A name and a password are needed.")
    if (until := _counted(visit, name)) is not None:
        log.warning("sign-in locked", user=name[:100], address=visit.address)
        return _again(visit, name, 429, f"Too many attempts. Try again after {until:%H:%M} UTC.")
    with read(visit.services.engine) as conn:
        kept = users.password_hash(conn, name)
    if not passwords.fits(password, kept):
        log.warning("sign-in refused", user=name[:100], address=visit.address)
        return _again(visit, name, 401, _WRONG)
    return _begun(visit, name, kept or "", passwords.hashed(password) if passwords.is_outdated(kept or "") else None)


def sign_out(visit: Visit) -> Response:
    """End the session, here and in the database; who was signed in by a provider may end the one there as well."""
    with write(visit.services.engine) as conn:
        sessions.end(conn, visit.token or "")
        vouched = identities.has_any(conn, visit.user.id)
    provider = visit.services.provider if vouched else None
    there = provider.leaving(f"{visit.services.public_url.rstrip('/')}/console/sign-in") if provider else None
    # A link, as the policy of our pages lets no form lead to another site.
    answer = replace(visit, who=None).page("signed_out.html", there=there) if there else visit.leads_to("/sign-in")
    cookie.take(answer, visit.console)
    return answer


def welcome(visit: Visit) -> Response:
    """Show the form by which the bearer of a link chooses a password; looking uses nothing up."""
    with write(visit.services.engine) as conn:
        user = _linked(conn, visit, visit.services.clock.now())
    return visit.page("welcome.html", name=user.name, wrong=None, shortest=passwords.SHORTEST)


def choose(visit: Visit) -> Response:
    """Let the bearer of a link sign in by the password that they chose; the link is used up."""
    password, again = visit.asked.text("password") or "", visit.asked.text("again") or ""
    now = visit.services.clock.now()
    with write(visit.services.engine) as conn:
        name = _linked(conn, visit, now).name
    shown = {"name": name, "shortest": passwords.SHORTEST}
    if password != again:
        return visit.page("welcome.html", status=422, wrong="The two are not the same.", **shown)
    try:
        hashed = passwords.hashed(password)
    except Turned as exc:
        return visit.page("welcome.html", status=exc.status, wrong=exc.message, **shown)
    with write(visit.services.engine) as conn:
        users.set_password(conn, _linked(conn, visit, now).id, hashed, now=now)
    log.info("password chosen", user=name)
    return _begun(visit, name, hashed, None)


def _counted(visit: Visit, name: str) -> datetime | None:
    """Count the attempt, and return until when none may be made, if that is so."""
    console, now = visit.console, visit.services.clock.now()
    limits = {f"name:{users.digest(name)}": console.attempts}
    if _is_public(visit.address):
        limits[f"address:{visit.address}"] = console.address_attempts
    with write(visit.services.engine) as conn:
        found = [sign_in_attempts.begin(conn, one, limit=limit, now=now) for one, limit in sorted(limits.items())]
    return max((until for until in found if until is not None), default=None)


def _begun(visit: Visit, name: str, kept: str, renewed: str | None) -> Response:
    """Begin a session, and go on."""
    now = visit.services.clock.now()
    with write(visit.services.engine) as conn:
        user = users.by_name(conn, name)
        # Whoever was let out, or whose password was changed, since it was looked at, stays out.
        if user is None or users.password_hash(conn, name) != kept:
            raise Turned(401, _WRONG)
        if renewed is not None:
            users.rehash(conn, user.id, renewed, now=now)
        sign_in_attempts.forget(conn, f"name:{users.digest(name)}", now=now)
        token = session(conn, visit, user, now=now)
    log.info("signed in", user=name, address=visit.address)
    answer = visit.leads_to(visit.next())
    cookie.give(answer, token, visit.console)
    return answer


def session(conn: Connection, visit: Visit, user: User, *, now: datetime) -> str:
    """Begin a session with a token that nobody could have known before, and end the browser's one before."""
    if visit.token is not None:
        sessions.end(conn, visit.token)
    return sessions.begin(conn, user.id, lives=timedelta(seconds=visit.console.session_life), now=now)


def _linked(conn: Connection, visit: Visit, now: datetime) -> User:
    user = users.by_link(conn, visit.path["token"], now=now)
    if user is None:
        raise Turned(404, "This link was used already, or is too old. Ask for a new one.")
    return user


def _again(visit: Visit, name: str, status: int, wrong: str) -> Response:
    return visit.page("sign_in.html", status=status, next=visit.next(), name=name[:100], wrong=wrong)


def _is_public(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False
