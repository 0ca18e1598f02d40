"""People who review, and what they have before them."""

import sqlalchemy as sa

from clipwarden.people import Role
from clipwarden.store.schema.columns import (
    Document,
    UtcDateTime,
    flag,
    given,
    identity,
    moment,
    number,
    optional,
    partial,
    reference,
    text,
    word,
)
from clipwarden.store.schema.metadata import metadata

# People who review; programs come with accounts' keys.
users = sa.Table(
    "users",
    metadata,
    identity(),
    text("name"),
    *word("role", Role),
    # argon2's; none until the link was used that lets somebody choose a password.
    optional("password_hash"),
    optional("link_hash"),
    optional("link_until", UtcDateTime),
    flag("disabled", default=False),
    # Else only those accounts that are named.
    flag("every_account", default=False),
    given("settings", Document, "{}"),
    moment("created_at"),
    moment("updated_at"),
    sa.UniqueConstraint("name"),
    sa.UniqueConstraint("link_hash"),
)

user_accounts = sa.Table(
    "user_accounts",
    metadata,
    sa.Column("user_id", sa.Uuid(as_uuid=False), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("account_id", sa.Uuid(as_uuid=False), sa.ForeignKey("accounts.id"), primary_key=True),
)

user_sessions = sa.Table(
    "user_sessions",
    metadata,
    identity(),
    reference("users"),
    text("token_hash"),
    moment("created_at"),
    moment("seen_at"),
    moment("expires_at"),
    sa.UniqueConstraint("token_hash"),
)
sa.Index("ix_user_sessions_user", user_sessions.c.user_id)
sa.Index("ix_user_sessions_expiry", user_sessions.c.expires_at)

# What reviewers do about a moderation.
reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("moderation_id", sa.Uuid(as_uuid=False), sa.ForeignKey("moderations.id"), primary_key=True),
    reference("accounts"),
    # Who has it before them, by which claim, and until when nobody else may.
    sa.Column("holder_id", sa.Uuid(as_uuid=False), sa.ForeignKey("users.id"), nullable=True),
    optional("claim"),
    optional("held_until", UtcDateTime),
    optional("escalated_at", UtcDateTime),
    optional("escalated_by"),
    # What stood before the last decision, and until when it can be had back.
    optional("undo", Document),
    moment("updated_at"),
)
partial("ix_reviews_escalated", reviews.c.escalated_at, where=reviews.c.escalated_at.is_not(None))

# One decision about many moderations, and those that it has not come to yet.
bulk_jobs = sa.Table(
    "bulk_jobs",
    metadata,
    identity(),
    reference("users"),
    text("action"),
    # The policy of a re-judgement.
    optional("moderation"),
    optional("reason"),
    # What was asked for, as people see it.
    sa.Column("filters", Document, nullable=False),
    number("total"),
    number("done"),
    # How many were left as they are, by why.
    sa.Column("skipped", Document, nullable=False),
    optional("due_at", UtcDateTime),
    number("fence"),
    number("faults"),
    moment("created_at"),
    moment("updated_at"),
    optional("ended_at", UtcDateTime),
    optional("cancelled_by"),
)
partial("ix_bulk_jobs_due", bulk_jobs.c.due_at, where=bulk_jobs.c.due_at.is_not(None))

bulk_items = sa.Table(
    "bulk_items",
    metadata,
    sa.Column("job_id", sa.Uuid(as_uuid=False), sa.ForeignKey("bulk_jobs.id"), primary_key=True),
    sa.Column("moderation_id", sa.Uuid(as_uuid=False), primary_key=True),
    # How many decisions there were when it was counted: one that was decided since is left.
    number("decisions"),
)

# Queues by names that people give them.
saved_filters = sa.Table(
    "saved_filters",
    metadata,
    identity(),
    reference("users"),
    text("name"),
    # As it stands in the address.
    text("query"),
    # Whether others see it too.
    sa.Column("shared", sa.Boolean, nullable=False),
    moment("created_at"),
    sa.UniqueConstraint("user_id", "name"),
)

# Who a user is to a provider of identities.
user_identities = sa.Table(
    "user_identities",
    metadata,
    identity(),
    reference("users"),
    text("issuer"),
    text("subject"),
    moment("created_at"),
    sa.UniqueConstraint("issuer", "subject"),
)
sa.Index("ix_user_identities_user", user_identities.c.user_id)

# People on their way to a provider and back.
sign_in_flows = sa.Table(
    "sign_in_flows",
    metadata,
    sa.Column("state_hash", sa.Text, primary_key=True),
    text("leads_to"),
    moment("expires_at"),
)
sa.Index("ix_sign_in_flows_expiry", sign_in_flows.c.expires_at)

# Attempts to sign in since the last that went well: by a name, and from an address.
sign_in_attempts = sa.Table(
    "sign_in_attempts",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    number("attempts"),
    optional("locked_until", UtcDateTime),
    moment("updated_at"),
)
