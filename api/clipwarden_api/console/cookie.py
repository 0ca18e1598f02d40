"""The session's cookie, and the proof that a form was made for the session that sends it.

A ``__Host-`` cookie is taken by browsers only over https, or over http from this very machine, which they trust.
"""

import hashlib
import hmac
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from clipwarden.settings import ConsoleSettings

_SECURE, _PLAIN = "__Host-clipwarden", "clipwarden"
#: What is added to the name for who is on the way to a provider and back.
_WAY = "-way"
#: The field of every form that changes something.
FIELD = "csrf"


def token(request: Request, settings: ConsoleSettings) -> str | None:
    """Return the token that a browser has."""
    return request.cookies.get(_name(settings))


def give(response: Response, token: str, settings: ConsoleSettings) -> None:
    """Let the browser keep a token until it is closed; no script can read it, and no other site send it."""
    response.set_cookie(_name(settings), token, path="/", secure=not settings.plain_http, httponly=True, samesite="lax")


def take(response: Response, settings: ConsoleSettings) -> None:
    """Let the browser forget its token."""
    response.delete_cookie(_name(settings), path="/", secure=not settings.plain_http, httponly=True, samesite="lax")


def way(request: Request, settings: ConsoleSettings) -> str | None:
    """Return the token of a browser that was sent to a provider."""
    return request.cookies.get(_name(settings) + _WAY)


def give_way(response: Response, token: str, settings: ConsoleSettings, *, lives: timedelta) -> None:
    """Let a browser that is sent to a provider keep a token for the way back, which begins at another site."""
    age, secure = int(lives.total_seconds()), not settings.plain_http
    name = _name(settings) + _WAY
    response.set_cookie(name, token, max_age=age, path="/", secure=secure, httponly=True, samesite="lax")


def take_way(response: Response, settings: ConsoleSettings) -> None:
    """Let the browser forget that."""
    name, secure = _name(settings) + _WAY, not settings.plain_http
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")


def proof(token: str) -> str:
    """Return what the forms of a session carry: only who has its cookie can know that."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def proves(given: str | None, token: str) -> bool:
    """Say whether a form was made for this session."""
    return hmac.compare_digest((given or "").encode("utf-8", "replace"), proof(token).encode())


def _name(settings: ConsoleSettings) -> str:
    return _PLAIN if settings.plain_http else _SECURE
