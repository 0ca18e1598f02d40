"""All tables, constraints and indexes; ``migrations`` lead every database to exactly this."""

from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

from clipwarden.moderation import SLOT_STAGES, DeliveryStage, Kind, Placement, Scope, Stage, Status
from clipwarden.people import Role
from clipwarden.sealing import Seal


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An instant with microseconds: aware and in UTC on the way in and out; SQLite keeps text that sorts by time."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what the driver stores; raises ValueError for a time without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant that was stored."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Sealed(sa.TypeDecorator[str]):
    """A secret: sealed in the database with the keys that the engine was made with."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the sealed text."""
        return None if value is None else _seal_of(dialect).close(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the secret; raises ConfigurationError where no key opens it."""
        return None if value is None else _seal_of(dialect).open(value)


def _seal_of(dialect: Dialect) -> Seal:
    seal: Seal = getattr(dialect, SEAL, Seal(()))
    return seal


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: The attribute of an engine's dialect that holds its seal.
SEAL = "clipwarden_seal"

_Document = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def one_of(column: sa.ColumnElement[str], words: Collection[str]) -> sa.ColumnElement[bool]:
    """Return a condition whose words stand in the statement's text, so that planners match it with partial indexes."""
    literals = [sa.literal(str(word), sa.String(), literal_execute=True) for word in words]
    return column == literals[0] if len(literals) == 1 else column.in_(literals)


#: Text that every database sorts by its code points, whatever its locale, so that beginnings are ranges of an index.
_Sorted = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True)


def _reference(table: str) -> sa.Column[str]:
    name = f"{table.removesuffix('s')}_id"
    return sa.Column(name, sa.Uuid(as_uuid=False), sa.ForeignKey(f"{table}.id"), nullable=False)


def _word(name: str, words: type[StrEnum]) -> tuple[sa.Column[str], sa.CheckConstraint]:
    known = ", ".join(f"'{word}'" for word in words)
    return sa.Column(name, sa.String(16), nullable=False), sa.CheckConstraint(f"{name} IN ({known})", name=name)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _optional(name: str, kind: Any = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _flag(name: str, *, default: bool) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.true() if default else sa.false())


def _given(name: str, kind: Any, default: str) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=default)


def _moment(name: str) -> sa.Column[datetime]:
    return sa.Column(name, UtcDateTime, nullable=False)


def _rotating(name: str) -> tuple[sa.Column[Any], ...]:
    return _optional(name, Sealed), _optional(f"{name}_before", Sealed), _optional(f"{name}_until", UtcDateTime)


# The oldest revision whose code works with this schema: one row, which migrations raise that take something away.
schema_floor = sa.Table("schema_floor", metadata, sa.Column("revision", sa.Text, primary_key=True))

accounts = sa.Table(
    "accounts",
    metadata,
    _id(),
    _text("name"),
    _text("api_key"),
    sa.Column("api_secret", Sealed, nullable=False),
    # What signs callbacks by Standard Webhooks; while it is replaced, the one before signs too.
    *_rotating("webhook_secret"),
    _optional("notification_url"),
    _text("signature_algorithm"),
    _text("default_taxonomy"),
    sa.Column("weight", sa.Double, nullable=False),
    _optional("max_in_flight", sa.Integer),
    # Whether assets that are not judged yet are in the library, and are delivered.
    _flag("pending_listed", default=True),
    _flag("pending_delivered", default=True),
    _moment("created_at"),
    sa.UniqueConstraint("name"),
    sa.UniqueConstraint("api_key"),
    sa.CheckConstraint("weight > 0", name="weight"),
)

# Further keys of an account, beside the one it was made with.
api_keys = sa.Table(
    "api_keys",
    metadata,
    _id(),
    _reference("accounts"),
    _text("key"),
    sa.Column("secret", Sealed, nullable=False),
    _flag("enabled", default=True),
    _moment("created_at"),
    sa.UniqueConstraint("key"),
)

presets = sa.Table(
    "presets",
    metadata,
    _id(),
    _reference("accounts"),
    _text("name"),
    sa.Column("unsigned", sa.Boolean, nullable=False),
    sa.Column("options", _Document, nullable=False),
    _moment("created_at"),
    _moment("updated_at"),
    sa.UniqueConstraint("account_id", "name"),
)

assets = sa.Table(
    "assets",
    metadata,
    _id(),
    _reference("accounts"),
    sa.Column("public_id", _Sorted, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    _optional("bucket"),
    _optional("key"),
    _optional("object_version"),
    _optional("bytes", sa.BigInteger),
    _optional("etag"),
    # What the bytes are recognised by.
    _optional("fingerprint"),
    _optional("facts", _Document),
    *_word("wanted", Placement),
    *_word("placed", Placement),
    _optional("due_at", UtcDateTime),
    _number("fence"),
    _number("faults"),
    _moment("created_at"),
    _moment("updated_at"),
    # When a move brought back the bytes that are there now.
    _optional("restored_at", UtcDateTime),
    _given("resource_type", sa.String(8), "video"),
    _given("type", sa.String(16), "upload"),
    _optional("format"),
    _optional("original_filename"),
    _optional("display_name"),
    _optional("asset_folder"),
    sa.Column("tags", _Document, nullable=False, server_default="[]"),
    sa.Column("context", _Document, nullable=False, server_default="{}"),
    _flag("backup", default=False),
    _optional("deleted_at", UtcDateTime),
    # Whether this service has stored the bytes for this asset, and may delete them; else they are a user's.
    _flag("ours", default=False),
    # Of all bytes, where they came in whole; S3's etag of what was sent in parts is another.
    _optional("md5"),
    sa.UniqueConstraint("account_id", "resource_type", "type", "public_id"),
)

asset_tags = sa.Table(
    "asset_tags",
    metadata,
    sa.Column("asset_id", sa.Uuid(as_uuid=False), sa.ForeignKey("assets.id"), primary_key=True),
    sa.Column("tag", _Sorted, primary_key=True),
    _reference("accounts"),
    # The asset's own, so that a tag's assets are read in their order.
    sa.Column("resource_type", sa.String(8), nullable=False),
    _moment("created_at"),
    sa.Index("ix_asset_tags_tag", "account_id", "tag", "resource_type", "created_at", "asset_id"),
)

asset_context = sa.Table(
    "asset_context",
    metadata,
    sa.Column("asset_id", sa.Uuid(as_uuid=False), sa.ForeignKey("assets.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _reference("accounts"),
    _text("value"),
    sa.Index("ix_asset_context_key", "account_id", "key", "asset_id"),
)

# Bytes that were overwritten or deleted, and are kept.
asset_versions = sa.Table(
    "asset_versions",
    metadata,
    _id(),
    _reference("assets"),
    sa.Column("version", sa.BigInteger, nullable=False),
    _text("bucket"),
    _text("key"),
    _optional("object_version"),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    _optional("etag"),
    _optional("fingerprint"),
    _optional("format"),
    _optional("facts", _Document),
    _moment("created_at"),
    _flag("ours", default=False),
    _optional("md5"),
    sa.UniqueConstraint("asset_id", "version"),
)

# Bytes that were overwritten, and are kept by nobody.
leftovers = sa.Table(
    "leftovers",
    metadata,
    _id(),
    _reference("assets"),
    sa.Column("version", sa.BigInteger, nullable=False),
    _text("bucket"),
    _text("key"),
    _optional("object_version"),
    _optional("due_at", UtcDateTime),
    _number("fence"),
    _number("faults"),
    _moment("created_at"),
    _moment("updated_at"),
    sa.UniqueConstraint("asset_id", "version"),
)

# What is to be forgotten of assets, until that is done.
erasures = sa.Table(
    "erasures",
    metadata,
    _id(),
    _reference("accounts"),
    _reference("assets"),
    *_word("scope", Scope),
    _text("requested_by"),
    _optional("due_at", UtcDateTime),
    _number("fence"),
    _number("faults"),
    _moment("created_at"),
    _moment("updated_at"),
    sa.UniqueConstraint("asset_id", "scope"),
)

# A small picture of each video that was probed, for its reviewers.
posters = sa.Table(
    "posters",
    metadata,
    sa.Column("asset_id", sa.Uuid(as_uuid=False), sa.ForeignKey("assets.id"), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("jpeg", sa.LargeBinary, nullable=False),
)

# Files that come in by several requests.
uploads = sa.Table(
    "uploads",
    metadata,
    _id(),
    _reference("accounts"),
    _text("upload_id"),
    _text("bucket"),
    _text("key"),
    _text("token"),
    sa.Column("parts", _Document, nullable=False),
    sa.Column("parameters", _Document, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    _optional("total", sa.BigInteger),
    _moment("created_at"),
    _moment("updated_at"),
    _moment("expires_at"),
    sa.UniqueConstraint("account_id", "upload_id"),
)

# Requests that may be repeated: whoever works on one holds it until then, and its answer is kept for a while.
idempotent_requests = sa.Table(
    "idempotent_requests",
    metadata,
    _id(),
    _reference("accounts"),
    _text("key"),
    _text("fingerprint"),
    # Who holds it; somebody else after that time.
    sa.Column("claim", sa.Uuid(as_uuid=False), nullable=False),
    _moment("claimed_until"),
    _optional("status", sa.Integer),
    _optional("body"),
    _moment("created_at"),
    _moment("expires_at"),
    sa.UniqueConstraint("account_id", "key"),
)

# Who is told of an account's events: Cloudinary's triggers, and the account's own URL once more is known of it.
endpoints = sa.Table(
    "endpoints",
    metadata,
    _id(),
    _reference("accounts"),
    _text("url"),
    _text("event_type"),
    # Its own, where it does not share the account's.
    *_rotating("secret"),
    _flag("enabled", default=True),
    _optional("disabled_at", UtcDateTime),
    _optional("disabled_reason"),
    _moment("created_at"),
    _moment("updated_at"),
    sa.UniqueConstraint("account_id", "event_type", "url"),
)

# How the servers fare that an account's callbacks go to, one row for all URLs of an origin.
endpoint_states = sa.Table(
    "endpoint_states",
    metadata,
    _id(),
    _reference("accounts"),
    _text("origin"),
    # When it is next worth looking for a delivery to hand out; a finished attempt looks, too.
    _optional("due_at", UtcDateTime),
    # Attempts that may run at once: grows with successes, shrinks with failures.
    _number("width"),
    # Attempts in a row that failed, how often that has paused it since, and until when.
    _number("failures"),
    _number("trips"),
    _optional("paused_until", UtcDateTime),
    # When its rate allows for the next attempt.
    _optional("next_at", UtcDateTime),
    _optional("failing_since", UtcDateTime),
    _optional("disabled_at", UtcDateTime),
    _optional("disabled_reason"),
    _moment("created_at"),
    _moment("updated_at"),
    sa.UniqueConstraint("account_id", "origin"),
)

moderations = sa.Table(
    "moderations",
    metadata,
    _id(),
    _reference("accounts"),
    _reference("assets"),
    _optional("asset_version", sa.BigInteger),
    *_word("kind", Kind),
    _text("policy"),
    _text("source"),
    _optional("idempotency_key"),
    sa.Column("notification_urls", _Document, nullable=False),
    _number("priority"),
    *_word("stage", Stage),
    *_word("status", Status),
    _optional("due_at", UtcDateTime),
    _number("fence"),
    _number("faults"),
    _number("attempt"),
    sa.Column("pool", sa.Text, sa.ForeignKey("pools.name"), nullable=True),
    _optional("min_confidence", sa.Double),
    _optional("request_token"),
    _optional("job_id"),
    _number("looks"),
    # When a message about the job last led to a look at it.
    _optional("hinted_at", UtcDateTime),
    _optional("labels_key"),
    _optional("label_count", sa.Integer),
    _optional("model_version"),
    # Of the bytes that were analysed, and what the labels are from. No foreign keys: that stays on record
    # whatever becomes of the others.
    _optional("fingerprint"),
    _optional("labels_of", sa.Uuid(as_uuid=False)),
    _optional("rejudges", sa.Uuid(as_uuid=False)),
    _optional("verdict", _Document),
    _optional("decided_by"),
    _number("decisions"),
    _optional("error_code"),
    _optional("error_reason"),
    _moment("created_at"),
    _moment("updated_at"),
    _optional("started_at", UtcDateTime),
    _optional("ended_at", UtcDateTime),
    _optional("decided_at", UtcDateTime),
    # Whether the asset has a later one of this kind; and the place in a chain of kinds that wait for each other.
    _flag("superseded", default=False),
    _optional("chain", sa.Uuid(as_uuid=False)),
    _given("chain_position", sa.Integer(), "0"),
    # How often it was begun anew after an abort.
    _given("retries", sa.Integer(), "0"),
    sa.UniqueConstraint("account_id", "idempotency_key"),
    sa.UniqueConstraint("request_token"),
)

# What any policy needs to know of labels that are kept; the labels themselves are beside the media.
gists = sa.Table(
    "gists",
    metadata,
    sa.Column("labels_key", sa.Text, primary_key=True),
    _text("gist"),
    _moment("created_at"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    _id(),
    _reference("accounts"),
    sa.Column("endpoint_state_id", sa.Uuid(as_uuid=False), sa.ForeignKey("endpoint_states.id"), nullable=False),
    # What it tells of; neither is there for what is told of an endpoint.
    sa.Column("moderation_id", sa.Uuid(as_uuid=False), sa.ForeignKey("moderations.id"), nullable=True),
    _optional("asset_id", sa.Uuid(as_uuid=False)),
    _text("event"),
    _number("sequence"),
    _text("url"),
    _text("body"),
    *_word("stage", DeliveryStage),
    _optional("due_at", UtcDateTime),
    _number("fence"),
    # While it is sent: the first of those that one thread attempts one after the other.
    _optional("led_by", sa.Uuid(as_uuid=False)),
    _number("attempt"),
    _optional("last_status", sa.Integer),
    _optional("last_error"),
    _moment("created_at"),
    _moment("updated_at"),
    _optional("delivered_at", UtcDateTime),
    sa.UniqueConstraint("moderation_id", "sequence", "event", "url"),
)

# One line per attempt; kept for a time.
delivery_attempts = sa.Table(
    "delivery_attempts",
    metadata,
    _id(),
    sa.Column("delivery_id", sa.Uuid(as_uuid=False), sa.ForeignKey("deliveries.id"), nullable=False),
    _number("attempt"),
    sa.Column("request_headers", _Document, nullable=False),
    _optional("status", sa.Integer),
    _optional("response_headers", _Document),
    _optional("response_body"),
    sa.Column("seconds", sa.Double, nullable=False),
    _optional("error"),
    _moment("created_at"),
)

pools = sa.Table(
    "pools",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    _number("slots"),
    # How many of the slots others leave to us, and when to try for one more.
    _number("limit"),
    _optional("probe_at", UtcDateTime),
    sa.Column("probe_wait", sa.Double, nullable=False),
    # When the next Start call may be made, and how long jobs take; earlier releases keep the latter as a ratio.
    _optional("next_start_at", UtcDateTime),
    _optional("job_ratio", sa.Double),
    _optional("job_times", _Document),
    # To which share of its rate a kind of call was slowed down, and when.
    _optional("start_slowed_to", sa.Double),
    _optional("start_slowed_at", UtcDateTime),
    _optional("get_slowed_to", sa.Double),
    _optional("get_slowed_at", UtcDateTime),
    _moment("created_at"),
    _moment("updated_at"),
    sa.CheckConstraint("slots >= 0", name="slots"),
)

audit_events = sa.Table(
    "audit_events",
    metadata,
    _id(),
    _reference("accounts"),
    # No foreign keys: what was done stays on record whatever becomes of its object.
    _optional("moderation_id", sa.Uuid(as_uuid=False)),
    _optional("asset_id", sa.Uuid(as_uuid=False)),
    _text("actor"),
    _text("action"),
    _optional("detail", _Document),
    _moment("created_at"),
)

# Worker processes, which say now and then that they are there.
workers = sa.Table(
    "workers",
    metadata,
    _id(),
    _text("host"),
    _number("pid"),
    _text("version"),
    # Separated by commas.
    _text("queues"),
    _moment("started_at"),
    _moment("seen_at"),
)

# People who review; programs come with accounts' keys.
users = sa.Table(
    "users",
    metadata,
    _id(),
    _text("name"),
    *_word("role", Role),
    # argon2's; none until the link was used that lets somebody choose a password.
    _optional("password_hash"),
    _optional("link_hash"),
    _optional("link_until", UtcDateTime),
    _flag("disabled", default=False),
    # Else only those accounts that are named.
    _flag("every_account", default=False),
    _given("settings", _Document, "{}"),
    _moment("created_at"),
    _moment("updated_at"),
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
    _id(),
    _reference("users"),
    _text("token_hash"),
    _moment("created_at"),
    _moment("seen_at"),
    _moment("expires_at"),
    sa.UniqueConstraint("token_hash"),
)

# What reviewers do about a moderation.
reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("moderation_id", sa.Uuid(as_uuid=False), sa.ForeignKey("moderations.id"), primary_key=True),
    _reference("accounts"),
    # Who has it before them, by which claim, and until when nobody else may.
    sa.Column("holder_id", sa.Uuid(as_uuid=False), sa.ForeignKey("users.id"), nullable=True),
    _optional("claim"),
    _optional("held_until", UtcDateTime),
    _optional("escalated_at", UtcDateTime),
    _optional("escalated_by"),
    # What stood before the last decision, and until when it can be had back.
    _optional("undo", _Document),
    _moment("updated_at"),
)

# One decision about many moderations, and those that it has not come to yet.
bulk_jobs = sa.Table(
    "bulk_jobs",
    metadata,
    _id(),
    _reference("users"),
    _text("action"),
    # The policy of a re-judgement.
    _optional("moderation"),
    _optional("reason"),
    # What was asked for, as people see it.
    sa.Column("filters", _Document, nullable=False),
    _number("total"),
    _number("done"),
    # How many were left as they are, by why.
    sa.Column("skipped", _Document, nullable=False),
    _optional("due_at", UtcDateTime),
    _number("fence"),
    _number("faults"),
    _moment("created_at"),
    _moment("updated_at"),
    _optional("ended_at", UtcDateTime),
    _optional("cancelled_by"),
)

bulk_items = sa.Table(
    "bulk_items",
    metadata,
    sa.Column("job_id", sa.Uuid(as_uuid=False), sa.ForeignKey("bulk_jobs.id"), primary_key=True),
    sa.Column("moderation_id", sa.Uuid(as_uuid=False), primary_key=True),
    # How many decisions there were when it was counted: one that was decided since is left.
    _number("decisions"),
)

# Queues by names that people give them.
saved_filters = sa.Table(
    "saved_filters",
    metadata,
    _id(),
    _reference("users"),
    _text("name"),
    # As it stands in the address.
    _text("query"),
    # Whether others see it too.
    sa.Column("shared", sa.Boolean, nullable=False),
    _moment("created_at"),
    sa.UniqueConstraint("user_id", "name"),
)

# Attempts to sign in since the last that went well: by a name, and from an address.
# Who a user is to a provider of identities.
user_identities = sa.Table(
    "user_identities",
    metadata,
    _id(),
    _reference("users"),
    _text("issuer"),
    _text("subject"),
    _moment("created_at"),
    sa.UniqueConstraint("issuer", "subject"),
)
# People on their way to a provider and back.
sign_in_flows = sa.Table(
    "sign_in_flows",
    metadata,
    sa.Column("state_hash", sa.Text, primary_key=True),
    _text("leads_to"),
    _moment("expires_at"),
)
sign_in_attempts = sa.Table(
    "sign_in_attempts",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    _number("attempts"),
    _optional("locked_until", UtcDateTime),
    _moment("updated_at"),
)


def in_library() -> sa.ColumnElement[bool]:
    """Return the condition of an asset to be in the library: there, not deleted, and not rejected."""
    there = sa.and_(assets.c.deleted_at.is_(None), assets.c.bucket.is_not(None))
    return sa.and_(there, one_of(assets.c.wanted, [Placement.LIBRARY]))


def _partial(name: str, *columns: sa.ColumnElement[Any], where: sa.ColumnElement[bool]) -> None:
    sa.Index(name, *columns, postgresql_where=where, sqlite_where=where)


_m = moderations.c
# What is due, per stage: the many that wait for a slot are due all the time and must not be waded through.
_partial("ix_moderations_due", _m.stage, _m.due_at, _m.id, where=_m.due_at.is_not(None))
_partial("ix_assets_due", assets.c.due_at, assets.c.id, where=assets.c.due_at.is_not(None))
_partial("ix_leftovers_due", leftovers.c.due_at, leftovers.c.id, where=leftovers.c.due_at.is_not(None))
_partial("ix_erasures_due", erasures.c.due_at, erasures.c.id, where=erasures.c.due_at.is_not(None))
_partial(
    "ix_deliveries_due",
    deliveries.c.stage,
    deliveries.c.due_at,
    deliveries.c.id,
    where=deliveries.c.due_at.is_not(None),
)
# An endpoint's next, and those that are being attempted.
_partial(
    "ix_deliveries_endpoint",
    deliveries.c.endpoint_state_id,
    deliveries.c.stage,
    deliveries.c.due_at,
    deliveries.c.id,
    where=deliveries.c.due_at.is_not(None),
)
_partial(
    "ix_endpoint_states_due",
    endpoint_states.c.due_at,
    endpoint_states.c.id,
    where=endpoint_states.c.due_at.is_not(None),
)
# Admission: each account's next moderations in their order, and the slots in use.
_partial(
    "ix_moderations_queued",
    _m.pool,
    _m.account_id,
    _m.priority.desc(),
    _m.created_at,
    _m.id,
    where=one_of(_m.stage, [Stage.QUEUED]),
)
_partial("ix_moderations_slots", _m.pool, _m.account_id, where=one_of(_m.stage, SLOT_STAGES))
# What messages from outside name: a job that runs, and an object.
_partial("ix_moderations_job", _m.job_id, where=one_of(_m.stage, [Stage.ANALYSING]))
sa.Index("ix_assets_location", assets.c.bucket, assets.c.key)
# Labels that were paid for: of the same bytes, the newest first.
_partial(
    "ix_moderations_labels",
    _m.account_id,
    _m.fingerprint,
    _m.ended_at,
    where=sa.and_(_m.labels_key.is_not(None), _m.labels_of.is_(None)),
)
# Who else is judged by a job's labels.
_partial("ix_moderations_labels_of", _m.labels_of, where=_m.labels_of.is_not(None))
# Listings, newest first.
sa.Index("ix_moderations_listing", _m.account_id, _m.kind, _m.status, _m.created_at, _m.id)
sa.Index("ix_moderations_account", _m.account_id, _m.created_at, _m.id)
sa.Index("ix_moderations_status", _m.status, _m.created_at, _m.id)
sa.Index("ix_moderations_newest", _m.created_at, _m.id)
sa.Index("ix_moderations_asset", _m.asset_id, _m.created_at, _m.id)
sa.Index("ix_audit_events_moderation", audit_events.c.moderation_id, audit_events.c.id)
_partial(
    "ix_moderations_current",
    _m.account_id,
    _m.kind,
    _m.status,
    _m.created_at,
    _m.id,
    where=_m.superseded.is_(False),
)
# Whether an asset has a verdict: told by the index alone.
_partial("ix_moderations_verdict", _m.asset_id, _m.status, _m.kind, where=_m.superseded.is_(False))
_partial("ix_moderations_chain", _m.chain, _m.chain_position, where=_m.chain.is_not(None))
_a = assets.c
sa.Index("ix_assets_listing", _a.account_id, _a.resource_type, _a.type, _a.created_at, _a.id)
_partial("ix_assets_account", _a.account_id, _a.created_at, _a.id, where=_a.deleted_at.is_(None))
# What is in the library, however much of what came in lately was rejected or deleted.
_partial("ix_assets_library", _a.account_id, _a.resource_type, _a.created_at, _a.id, where=in_library())
_partial("ix_assets_names", _a.account_id, _a.resource_type, _a.public_id, _a.id, where=in_library())
sa.Index("ix_uploads_expiry", uploads.c.expires_at)
sa.Index("ix_idempotent_requests_expiry", idempotent_requests.c.expires_at)
# The log of callbacks: of one, of a time, of an asset, and what is old.
sa.Index("ix_deliveries_listing", deliveries.c.account_id, deliveries.c.created_at, deliveries.c.id)
sa.Index("ix_deliveries_newest", deliveries.c.created_at, deliveries.c.id)
_partial(
    "ix_deliveries_asset",
    deliveries.c.asset_id,
    deliveries.c.created_at,
    deliveries.c.id,
    where=deliveries.c.asset_id.is_not(None),
)
sa.Index("ix_deliveries_url", deliveries.c.account_id, deliveries.c.url, deliveries.c.stage)
sa.Index("ix_delivery_attempts_delivery", delivery_attempts.c.delivery_id, delivery_attempts.c.created_at)
sa.Index("ix_delivery_attempts_created_at", delivery_attempts.c.created_at)
_partial("ix_bulk_jobs_due", bulk_jobs.c.due_at, where=bulk_jobs.c.due_at.is_not(None))
_partial("ix_reviews_escalated", reviews.c.escalated_at, where=reviews.c.escalated_at.is_not(None))
# What is kept for a time: labels, rejected bytes, and assets that were deleted.
_partial(
    "ix_moderations_labels_age",
    _m.created_at,
    _m.asset_id,
    where=sa.and_(one_of(_m.stage, [Stage.DECIDED]), _m.labels_key.is_not(None)),
)
_partial(
    "ix_assets_rejected",
    _a.updated_at,
    _a.id,
    where=sa.and_(one_of(_a.placed, [Placement.QUARANTINE]), _a.deleted_at.is_(None)),
)
_partial("ix_assets_deleted", _a.deleted_at, _a.id, where=_a.deleted_at.is_not(None))
# The audit trail: of one person, of an account, and of an asset beside its moderations'.
_e = audit_events.c
_partial("ix_audit_events_asset", _e.asset_id, where=sa.and_(_e.moderation_id.is_(None), _e.asset_id.is_not(None)))
sa.Index("ix_audit_events_actor", audit_events.c.actor, audit_events.c.created_at, audit_events.c.id)
sa.Index("ix_audit_events_account", audit_events.c.account_id, audit_events.c.created_at, audit_events.c.id)
sa.Index("ix_user_identities_user", user_identities.c.user_id)
sa.Index("ix_sign_in_flows_expiry", sign_in_flows.c.expires_at)
sa.Index("ix_user_sessions_user", user_sessions.c.user_id)
sa.Index("ix_user_sessions_expiry", user_sessions.c.expires_at)
# Figures that are scraped: counted from the index alone.
sa.Index("ix_moderations_stage", _m.stage, _m.updated_at)
sa.Index("ix_deliveries_stage", deliveries.c.stage, deliveries.c.created_at)
