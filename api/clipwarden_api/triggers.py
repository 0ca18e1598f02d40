"""Triggers: URLs that an account wants told of its events, whatever call has led to them."""

import re
from typing import Any

from clipwarden import errors, ids
from clipwarden.egress.destination import require_callable
from clipwarden.moderation import Endpoint
from clipwarden.store import endpoints
from clipwarden.store.engine import read, write
from clipwarden_api import rendering
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import bad, not_found
from clipwarden_api.services import Services

_LONGEST_URI = 2000
# Cloudinary adds to its list of events; names are kept as they are.
_EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


def create(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Keep a trigger; raises Refusal for a URI that is never called, and Conflict for one that is there."""
    del path
    if (uri_type := asked.text("uri_type")) not in (None, "webhook"):
        raise bad(f"Invalid value for parameter uri_type: {str(uri_type)[:64]}; there is webhook")
    event_type = asked.text("event_type") or ""
    if not _EVENT.fullmatch(event_type) or event_type == endpoints.DEFAULT:
        raise bad(f"Invalid value for parameter event_type: {event_type[:64]}")
    uri = _uri(services, asked, "uri")
    with write(services.engine) as conn:
        made = endpoints.create(
            conn, account_id=caller.account.id, url=uri, event_type=event_type, now=services.clock.now()
        )
    return _said(made)


def listing(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Return the account's triggers, those for one event where it is named."""
    del path
    with read(services.engine) as conn:
        found = endpoints.of_account(conn, caller.account.id, asked.text("event_type"))
    return {"triggers": [_said(one) for one in found], "total": len(found)}


def update(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Give a trigger another URI; raises Refusal where there is no such trigger."""
    id, uri = _id(path), _uri(services, asked, "new_uri")
    with write(services.engine) as conn:
        changed = endpoints.redirect(conn, caller.account.id, id, url=uri, now=services.clock.now())
    if changed is None:
        raise not_found(path["id"])
    return {"message": "updated"} | _said(changed)


def delete(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Forget a trigger; raises Refusal where there is no such trigger."""
    del asked
    with write(services.engine) as conn:
        gone = endpoints.delete(conn, caller.account.id, _id(path))
    if not gone:
        raise not_found(path["id"])
    return {"message": "deleted"}


def _id(path: dict[str, str]) -> str:
    if (id := ids.read(path["id"])) is None:
        raise not_found(path["id"][:64])
    return id


def _uri(services: Services, asked: Parameters, parameter: str) -> str:
    """Return the URI; where a name leads to is looked at when something is sent there."""
    given = asked.text(parameter) or ""
    # Cloudinary joins several URIs by commas.
    if len(given) > _LONGEST_URI or not given.isascii() or "," in given:
        raise bad(f"Invalid value for parameter {parameter}: a URL of http or https is needed")
    try:
        require_callable(given, services.settings.callback.allow_networks)
    except errors.DestinationRefused as exc:
        raise bad(f"Invalid value for parameter {parameter}: {exc}") from exc
    return given


def _said(trigger: Endpoint) -> dict[str, Any]:
    return {
        "id": trigger.id.replace("-", ""),
        "product_environment_id": trigger.account_id.replace("-", ""),
        "uri_type": "webhook",
        "uri": trigger.url,
        "event_type": trigger.event_type,
        "created_at": rendering.instant(trigger.created_at),
        "updated_at": rendering.instant(trigger.updated_at),
    }
