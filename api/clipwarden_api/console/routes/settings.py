"""A person's own settings: what the player hides, when to stop, and keys."""

from starlette.responses import Response

from clipwarden.store import users
from clipwarden.store.engine import write
from clipwarden_api.console import wellness
from clipwarden_api.console.visit import Visit


def show(visit: Visit) -> Response:
    """Show them."""
    return visit.page("settings.html", kept=visit.asked.flag("kept"))


def keep(visit: Visit) -> Response:
    """Keep what the form says."""
    given = wellness.asked(visit.asked)
    with write(visit.services.engine) as conn:
        users.keep_settings(conn, visit.user.id, given, now=visit.services.clock.now())
    return visit.leads_to("/settings?kept=1")


def help_page(visit: Visit) -> Response:
    """Show what the console is for, its keys, and what is known about looking at such videos all day."""
    return visit.page("help.html")
