"""What can be found of a video: in every table of the database, and beside the media."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine

from clipwarden.store import schema
from clipwarden.store.engine import read

#: Tables with rows of an asset, which go with it.
OF_AN_ASSET = frozenset(
    {
        "asset_context",
        "asset_tags",
        "asset_versions",
        "assets",
        "bulk_items",
        "deliveries",
        "delivery_attempts",
        "erasures",
        "gists",
        "idempotent_requests",
        "leftovers",
        "moderations",
        "posters",
        "reviews",
        "uploads",
    }
)
#: Who did what to which id, and when: this is what stays.
STAYS = frozenset({"audit_events"})
#: Tables that know of no asset: of accounts and their servers, of people and what they ask for, of machines.
OF_NONE = frozenset(
    {
        "accounts",
        "api_keys",
        "bulk_jobs",
        "endpoint_states",
        "endpoints",
        "pools",
        "presets",
        "saved_filters",
        "schema_floor",
        "sign_in_attempts",
        "sign_in_flows",
        "user_accounts",
        "user_identities",
        "user_sessions",
        "users",
        "workers",
    }
)


def forms(ids: Collection[str]) -> list[str]:
    """Return ids in every form in which they are written."""
    return [form for id in ids for form in (id, id.replace("-", ""))]


def naming(engine: Engine, needles: Collection[str]) -> set[str]:
    """Return the tables of which a row names one of these texts, in whatever column."""
    with read(engine) as conn:
        held = {table.name: repr(conn.execute(sa.select(table)).all()) for table in schema.metadata.sorted_tables}
    return {name for name, rows in held.items() if any(one in rows for one in needles)}


def ids_of(engine: Engine, asset_id: str) -> list[str]:
    """Return all ids that are an asset's own: of it, its moderations, callbacks, and versions."""
    owned = [schema.moderations, schema.deliveries, schema.asset_versions, schema.leftovers]
    with read(engine) as conn:
        found = [conn.execute(sa.select(one.c.id).where(one.c.asset_id == asset_id)).scalars() for one in owned]
        return [asset_id, *(id for ids in found for id in ids)]


def files(root: Path) -> dict[str, bytes]:
    """Return all files of a media folder but the one that nothing is written to."""
    found: dict[str, Any] = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != ".clipwarden/lock"}
