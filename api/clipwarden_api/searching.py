"""The Admin API's search."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from clipwarden.moderation import Asset, Moderation
from clipwarden.store import library, searching
from clipwarden.store.searching import Order
from clipwarden_api import rendering
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import bad
from clipwarden_api.search import expression, fields, sql
from clipwarden_api.services import Services

#: Fields that results are sorted by at most.
_MOST_ORDERS = 3
#: What may be asked for beside what every result says.
_WITH = ("tags", "context", "metadata", "moderations")


def search(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Return a page of the assets that an expression describes; raises Refusal where it cannot be understood."""
    del path
    began, now = time.perf_counter(), services.clock.now()
    text = asked.text("expression") or ""
    if asked.text("aggregate"):
        raise bad("aggregate is not supported")
    node, orders = expression.parse(text), _orders(asked)
    limit = asked.number("max_results", default=50, least=1, most=500)

    def find(conn: Connection) -> tuple[searching.Found, Mapping[str, Sequence[Moderation]]]:
        found = searching.search(
            conn,
            caller.account,
            sql.condition(node, now) if node is not None else None,
            hidden=sql.about_moderation(node),
            order=[Order(column=sql.COLUMNS[field], descending=descending) for field, descending in orders],
            question=json.dumps([text, orders]),
            limit=limit,
            after=asked.text("next_cursor"),
        )
        return found, library.moderations_of(conn, [asset.id for asset in found.items])

    found, present = services.listings.ask(find)
    answer: dict[str, Any] = {"total_count": found.total, "time": round((time.perf_counter() - began) * 1000)}
    answer |= {"resources": _shown(services, caller, asked, found.items, present)}
    return answer | ({"next_cursor": found.next_cursor} if found.next_cursor else {})


def _orders(asked: Parameters) -> list[tuple[str, bool]]:
    """Return the fields that results are sorted by, and whether downwards: the newest first by default."""
    found: list[tuple[str, bool]] = []
    for given in asked.texts("sort_by"):
        field, direction = _order(given)
        fields.require_sortable(field)
        if direction not in ("asc", "desc"):
            raise bad(f"Invalid value for parameter sort_by: {direction[:40]}; asc or desc")
        found.append((field, direction == "desc"))
    if len(found) > _MOST_ORDERS:
        raise bad(f"Results are sorted by {_MOST_ORDERS} fields at most")
    return found or [("created_at", True)]


def _order(given: str) -> tuple[str, str]:
    try:
        [(field, direction)] = json.loads(given).items()
    except (ValueError, AttributeError):
        raise bad('Invalid value for parameter sort_by: it is a list of {"FIELD": "asc"} or "desc"') from None
    return str(field), str(direction)


def _shown(
    services: Services,
    caller: Caller,
    asked: Parameters,
    found: Sequence[Asset],
    present: Mapping[str, Sequence[Moderation]],
) -> list[dict[str, Any]]:
    wanted = set(asked.texts("with_field")) | {"tags"}
    flags = {name: name in wanted for name in _WITH} | {"moderations": True}
    only = {*asked.texts("fields"), "asset_id", "public_id"} if asked.texts("fields") else None
    shown = [
        rendering.listed(caller.account, asset, present[asset.id], flags, public_url=services.public_url)
        | {"uploaded_at": rendering.instant(asset.created_at), "status": "active", "filename": asset.original_filename}
        | _measured(asset)
        for asset in found
    ]
    if only is None:
        return shown
    return [{name: value for name, value in one.items() if name in only} for one in shown]


def _measured(asset: Asset) -> dict[str, Any]:
    return {"duration": asset.facts.duration_ms / 1000} if asset.facts is not None else {}
