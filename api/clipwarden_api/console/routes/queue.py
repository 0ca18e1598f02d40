"""The queue: cases by kind and status, the filters that find them, and the next one to decide."""

from starlette.responses import Response

from clipwarden_api.console.visit import Visit


def show(visit: Visit) -> Response:
    """Show the cases that the address asks for."""
    return visit.page("queue.html")
