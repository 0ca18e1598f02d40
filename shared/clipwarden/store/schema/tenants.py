"""Accounts, what they sign with, and what they have asked for."""

import sqlalchemy as sa

from clipwarden.store.schema.columns import (
    Document,
    Sealed,
    flag,
    identity,
    moment,
    optional,
    reference,
    rotating,
    text,
)
from clipwarden.store.schema.metadata import metadata

accounts = sa.Table(
    "accounts",
    metadata,
    identity(),
    text("name"),
    text("api_key"),
    sa.Column("api_secret", Sealed, nullable=False),
    # What signs callbacks by Standard Webhooks; while it is replaced, the one before signs too.
    *rotating("webhook_secret"),
    optional("notification_url"),
    text("signature_algorithm"),
    text("default_taxonomy"),
    sa.Column("weight", sa.Double, nullable=False),
    optional("max_in_flight", sa.Integer),
    # Whether assets that are not judged yet are in the library, and are delivered.
    flag("pending_listed", default=True),
    flag("pending_delivered", default=True),
    moment("created_at"),
    sa.UniqueConstraint("name"),
    sa.UniqueConstraint("api_key"),
    sa.CheckConstraint("weight > 0", name="weight"),
)

# Further keys of an account, beside the one it was made with.
api_keys = sa.Table(
    "api_keys",
    metadata,
    identity(),
    reference("accounts"),
    text("key"),
    sa.Column("secret", Sealed, nullable=False),
    flag("enabled", default=True),
    moment("created_at"),
    sa.UniqueConstraint("key"),
)

presets = sa.Table(
    "presets",
    metadata,
    identity(),
    reference("accounts"),
    text("name"),
    sa.Column("unsigned", sa.Boolean, nullable=False),
    sa.Column("options", Document, nullable=False),
    moment("created_at"),
    moment("updated_at"),
    sa.UniqueConstraint("account_id", "name"),
)

# Requests that may be repeated: whoever works on one holds it until then, and its answer is kept for a while.
idempotent_requests = sa.Table(
    "idempotent_requests",
    metadata,
    identity(),
    reference("accounts"),
    text("key"),
    text("fingerprint"),
    # Who holds it; somebody else after that time.
    sa.Column("claim", sa.Uuid(as_uuid=False), nullable=False),
    moment("claimed_until"),
    optional("status", sa.Integer),
    optional("body"),
    moment("created_at"),
    moment("expires_at"),
    sa.UniqueConstraint("account_id", "key"),
)
sa.Index("ix_idempotent_requests_expiry", idempotent_requests.c.expires_at)
