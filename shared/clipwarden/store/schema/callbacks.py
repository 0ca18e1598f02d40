"""Who is told of what, and how that went."""

import sqlalchemy as sa

from clipwarden.moderation import DeliveryStage
from clipwarden.store.schema.columns import (
    Document,
    UtcDateTime,
    flag,
    identity,
    moment,
    number,
    optional,
    partial,
    reference,
    rotating,
    text,
    word,
)
from clipwarden.store.schema.metadata import metadata

# Who is told of an account's events: Cloudinary's triggers, and the account's own URL once more is known of it.
endpoints = sa.Table(
    "endpoints",
    metadata,
    identity(),
    reference("accounts"),
    text("url"),
    text("event_type"),
    # Its own, where it does not share the account's.
    *rotating("secret"),
    flag("enabled", default=True),
    optional("disabled_at", UtcDateTime),
    optional("disabled_reason"),
    moment("created_at"),
    moment("updated_at"),
    sa.UniqueConstraint("account_id", "event_type", "url"),
)

# How the servers fare that an account's callbacks go to, one row for all URLs of an origin.
endpoint_states = sa.Table(
    "endpoint_states",
    metadata,
    identity(),
    reference("accounts"),
    text("origin"),
    # When it is next worth looking for a delivery to hand out; a finished attempt looks, too.
    optional("due_at", UtcDateTime),
    # Attempts that may run at once: grows with successes, shrinks with failures.
    number("width"),
    # Attempts in a row that failed, how often that has paused it since, and until when.
    number("failures"),
    number("trips"),
    optional("paused_until", UtcDateTime),
    # When its rate allows for the next attempt.
    optional("next_at", UtcDateTime),
    optional("failing_since", UtcDateTime),
    optional("disabled_at", UtcDateTime),
    optional("disabled_reason"),
    moment("created_at"),
    moment("updated_at"),
    sa.UniqueConstraint("account_id", "origin"),
)
partial(
    "ix_endpoint_states_due",
    endpoint_states.c.due_at,
    endpoint_states.c.id,
    where=endpoint_states.c.due_at.is_not(None),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    identity(),
    reference("accounts"),
    sa.Column("endpoint_state_id", sa.Uuid(as_uuid=False), sa.ForeignKey("endpoint_states.id"), nullable=False),
    # What it tells of; neither is there for what is told of an endpoint.
    sa.Column("moderation_id", sa.Uuid(as_uuid=False), sa.ForeignKey("moderations.id"), nullable=True),
    optional("asset_id", sa.Uuid(as_uuid=False)),
    text("event"),
    number("sequence"),
    text("url"),
    text("body"),
    *word("stage", DeliveryStage),
    optional("due_at", UtcDateTime),
    number("fence"),
    # While it is sent: the first of those that one thread attempts one after the other.
    optional("led_by", sa.Uuid(as_uuid=False)),
    number("attempt"),
    optional("last_status", sa.Integer),
    optional("last_error"),
    moment("created_at"),
    moment("updated_at"),
    optional("delivered_at", UtcDateTime),
    sa.UniqueConstraint("moderation_id", "sequence", "event", "url"),
)
_d = deliveries.c
partial(
    "ix_deliveries_due",
    _d.stage,
    _d.due_at,
    _d.id,
    where=_d.due_at.is_not(None),
)
# An endpoint's next, and those that are being attempted.
partial(
    "ix_deliveries_endpoint",
    _d.endpoint_state_id,
    _d.stage,
    _d.due_at,
    _d.id,
    where=_d.due_at.is_not(None),
)
# The log of callbacks: of one account, of a time, of an asset, and of a URL.
sa.Index("ix_deliveries_listing", _d.account_id, _d.created_at, _d.id)
sa.Index("ix_deliveries_newest", _d.created_at, _d.id)
partial(
    "ix_deliveries_asset",
    _d.asset_id,
    _d.created_at,
    _d.id,
    where=_d.asset_id.is_not(None),
)
sa.Index("ix_deliveries_url", _d.account_id, _d.url, _d.stage)
# Figures that are scraped: counted from the index alone.
sa.Index("ix_deliveries_stage", _d.stage, _d.created_at)

# One line per attempt; kept for a time.
delivery_attempts = sa.Table(
    "delivery_attempts",
    metadata,
    identity(),
    sa.Column("delivery_id", sa.Uuid(as_uuid=False), sa.ForeignKey("deliveries.id"), nullable=False),
    number("attempt"),
    sa.Column("request_headers", Document, nullable=False),
    optional("status", sa.Integer),
    optional("response_headers", Document),
    optional("response_body"),
    sa.Column("seconds", sa.Double, nullable=False),
    optional("error"),
    moment("created_at"),
)
sa.Index("ix_delivery_attempts_delivery", delivery_attempts.c.delivery_id, delivery_attempts.c.created_at)
sa.Index("ix_delivery_attempts_created_at", delivery_attempts.c.created_at)
