"""Pages made of templates, and the headers with which they go out: nothing inline, and nothing from anywhere else."""

from typing import Any

import jinja2
from starlette.responses import HTMLResponse, Response

from clipwarden_api.console import shown, static, wellness

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that, browsers keep from us where a form comes from.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("clipwarden_api.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static"] = static.address
    environment.globals["all_keys"] = wellness.KEYS
    environment.filters.update(shown.FILTERS)
    return environment


_ENVIRONMENT = _environment()


def answer(template: str, *, status: int = 200, **shown: Any) -> Response:
    """Return a page; ``visit`` is among what is shown."""
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(**shown), status_code=status, headers=HEADERS)
