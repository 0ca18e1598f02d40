"""All tables, constraints and indexes; ``migrations`` lead every database to exactly this."""

from clipwarden.store.schema.callbacks import deliveries, delivery_attempts, endpoint_states, endpoints
from clipwarden.store.schema.columns import SEAL, Sealed, UtcDateTime, one_of
from clipwarden.store.schema.library import (
    asset_context,
    asset_tags,
    asset_versions,
    assets,
    erasures,
    in_library,
    leftovers,
    posters,
    uploads,
)
from clipwarden.store.schema.metadata import metadata, schema_floor
from clipwarden.store.schema.people import (
    bulk_items,
    bulk_jobs,
    reviews,
    saved_filters,
    sign_in_attempts,
    sign_in_flows,
    user_accounts,
    user_identities,
    user_sessions,
    users,
)
from clipwarden.store.schema.pipeline import audit_events, gists, moderations, pools, workers
from clipwarden.store.schema.tenants import accounts, api_keys, idempotent_requests, presets

__all__ = [
    "SEAL",
    "Sealed",
    "UtcDateTime",
    "accounts",
    "api_keys",
    "asset_context",
    "asset_tags",
    "asset_versions",
    "assets",
    "audit_events",
    "bulk_items",
    "bulk_jobs",
    "deliveries",
    "delivery_attempts",
    "endpoint_states",
    "endpoints",
    "erasures",
    "gists",
    "idempotent_requests",
    "in_library",
    "leftovers",
    "metadata",
    "moderations",
    "one_of",
    "pools",
    "posters",
    "presets",
    "reviews",
    "saved_filters",
    "schema_floor",
    "sign_in_attempts",
    "sign_in_flows",
    "uploads",
    "user_accounts",
    "user_identities",
    "user_sessions",
    "users",
    "workers",
]
