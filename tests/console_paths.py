"""Who may do what in the review console, written down by hand: tests compare the code with this, never with itself."""

import re

from clipwarden.people import Role

#: The least role that each path of the console is for; ``None`` where nobody has to be signed in.
LEAST: dict[str, Role | None] = {
    "GET /sign-in": None,
    "POST /sign-in": None,
    "POST /sign-out": Role.READ_ONLY,
    "GET /oidc": None,
    "GET /oidc/callback": None,
    "GET /welcome/{token}": None,
    "POST /welcome/{token}": None,
    "GET /": Role.READ_ONLY,
    "GET /counts": Role.READ_ONLY,
    "POST /next": Role.REVIEWER,
    "GET /cases/{id}": Role.READ_ONLY,
    "POST /cases/{id}/hold": Role.REVIEWER,
    "POST /cases/{id}/decide": Role.REVIEWER,
    "POST /cases/{id}/undo": Role.REVIEWER,
    "POST /cases/{id}/skip": Role.REVIEWER,
    "POST /cases/{id}/escalate": Role.REVIEWER,
    "POST /cases/{id}/retry": Role.REVIEWER,
    "POST /cases/{id}/rejudge": Role.REVIEWER,
    "GET /posters/{id}": Role.READ_ONLY,
    "POST /filters": Role.READ_ONLY,
    "POST /filters/{id}/forget": Role.READ_ONLY,
    "GET /bulk": Role.SUPERVISOR,
    "POST /bulk": Role.SUPERVISOR,
    "GET /jobs": Role.SUPERVISOR,
    "GET /jobs/{id}": Role.SUPERVISOR,
    "POST /jobs/{id}/cancel": Role.SUPERVISOR,
    "GET /policy": Role.READ_ONLY,
    "GET /policy/simulated": Role.READ_ONLY,
    "GET /settings": Role.READ_ONLY,
    "POST /settings": Role.READ_ONLY,
    "GET /help": Role.READ_ONLY,
    "GET /audit": Role.SUPERVISOR,
    "GET /audit.csv": Role.SUPERVISOR,
    "GET /operations": Role.ADMIN,
    "POST /operations/enable": Role.ADMIN,
    "GET /operations/deliveries": Role.ADMIN,
    "GET /operations/deliveries/replay": Role.ADMIN,
    "POST /operations/deliveries/replay": Role.ADMIN,
    "GET /operations/deliveries/{id}": Role.ADMIN,
    "POST /operations/deliveries/{id}/replay": Role.ADMIN,
}
#: Paths that are no screens: the stream, which asks for a session itself, and files that are the same for everybody.
OTHERS: dict[str, Role | None] = {"GET /events": Role.READ_ONLY, "GET /static/{digest}/{name}": None}

#: Those that somebody has to be signed in for, and those of them that change something.
GUARDED = {route: least for route, least in LEAST.items() if least is not None}
WRITES = [route for route in GUARDED if route.startswith("POST ")]


def concrete(route: str, id: str = "0" * 32) -> tuple[str, str]:
    """Return method and path of a route, with this id."""
    method, path = route.split(" ")
    return method, "/console" + re.sub(r"\{[^}]*\}", id, path)
