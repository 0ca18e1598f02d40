"""One request to the console: who makes it, and what it asks for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response

from clipwarden.people import Role, User
from clipwarden.settings import ConsoleSettings
from clipwarden_api.console import pages, wellness
from clipwarden_api.console.turned import SignInFirst
from clipwarden_api.console.wellness import Wellness
from clipwarden_api.parameters import Parameters
from clipwarden_api.services import Services

ROOT = "/console"

_PLACES = (
    ("/", "Queue", Role.READ_ONLY),
    ("/jobs", "Bulk jobs", Role.SUPERVISOR),
    ("/policy", "Policy lab", Role.READ_ONLY),
    ("/audit", "Audit trail", Role.SUPERVISOR),
    ("/operations", "Operations", Role.ADMIN),
    ("/help", "Help", Role.READ_ONLY),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Somebody with a session."""

    user: User
    session_id: str
    csrf: str  #: What their forms carry.
    since: datetime  #: When they signed in.


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request, read and known to be allowed."""

    services: Services
    asked: Parameters  #: Of the query, and of the form that is sent.
    path: dict[str, str]
    here: str  #: The path behind ``/console``.
    address: str  #: The client's, as far as it is known.
    token: str | None  #: Of the cookie, good or not.
    way: str | None  #: Of the cookie that goes with somebody to a provider and back.
    fragment: bool  #: Whether a part of a page is asked for.
    etag: str | None  #: Of what the browser has kept of this.
    who: SignedIn | None

    @property
    def me(self) -> SignedIn:
        """Return who is signed in; raises SignInFirst where nobody is."""
        if self.who is None:
            raise SignInFirst
        return self.who

    @property
    def user(self) -> User:
        """Return who is signed in."""
        return self.me.user

    @property
    def console(self) -> ConsoleSettings:
        """Return the console's settings."""
        return self.services.settings.console

    @property
    def wellness(self) -> Wellness:
        """Return how who is signed in wants the console to be."""
        return wellness.read(self.user)

    def may(self, role: Role) -> bool:
        """Say whether who is signed in may do what this role is needed for."""
        return self.who is not None and self.who.user.role.covers(role)

    def places(self) -> list[tuple[str, str]]:
        """Return the pages that this person may go to, with their names."""
        return [(path, name) for path, name, role in _PLACES if self.may(role)]

    def page(self, template: str, *, status: int = 200, **shown: Any) -> Response:
        """Return a page."""
        return pages.answer(template, status=status, visit=self, **shown)

    def leads_to(self, path: str) -> Response:
        """Return the answer that sends the browser on, after something was done."""
        return RedirectResponse(f"{ROOT}{path}", status_code=303)

    def next(self) -> str:
        """Return where to go after signing in, if that is within the console."""
        wanted = self.asked.text("next") or "/"
        parts = urlsplit(wanted)
        safe = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
        return wanted if safe and wanted.isprintable() and "\\" not in wanted else "/"
