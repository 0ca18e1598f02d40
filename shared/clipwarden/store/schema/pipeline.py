"""Moderations, the slots that they wait for, and who works on them."""

import sqlalchemy as sa

from clipwarden.moderation import SLOT_STAGES, Kind, Stage, Status
from clipwarden.store.schema.columns import (
    Document,
    UtcDateTime,
    flag,
    given,
    identity,
    moment,
    number,
    one_of,
    optional,
    partial,
    reference,
    text,
    word,
)
from clipwarden.store.schema.metadata import metadata

moderations = sa.Table(
    "moderations",
    metadata,
    identity(),
    reference("accounts"),
    reference("assets"),
    optional("asset_version", sa.BigInteger),
    *word("kind", Kind),
    text("policy"),
    text("source"),
    optional("idempotency_key"),
    sa.Column("notification_urls", Document, nullable=False),
    number("priority"),
    *word("stage", Stage),
    # Since when it is in that stage, however often it was put off there; empty where an earlier release made the row.
    optional("stage_since", UtcDateTime),
    *word("status", Status),
    optional("due_at", UtcDateTime),
    number("fence"),
    number("faults"),
    number("attempt"),
    sa.Column("pool", sa.Text, sa.ForeignKey("pools.name"), nullable=True),
    optional("min_confidence", sa.Double),
    optional("request_token"),
    optional("job_id"),
    number("looks"),
    # When a message about the job last led to a look at it.
    optional("hinted_at", UtcDateTime),
    optional("labels_key"),
    optional("label_count", sa.Integer),
    optional("model_version"),
    # Of the bytes that were analysed, and what the labels are from. No foreign keys: that stays on record
    # whatever becomes of the others.
    optional("fingerprint"),
    optional("labels_of", sa.Uuid(as_uuid=False)),
    optional("rejudges", sa.Uuid(as_uuid=False)),
    optional("verdict", Document),
    optional("decided_by"),
    number("decisions"),
    optional("error_code"),
    optional("error_reason"),
    moment("created_at"),
    moment("updated_at"),
    optional("started_at", UtcDateTime),
    optional("ended_at", UtcDateTime),
    optional("decided_at", UtcDateTime),
    # Whether the asset has a later one of this kind; and the place in a chain of kinds that wait for each other.
    flag("superseded", default=False),
    optional("chain", sa.Uuid(as_uuid=False)),
    given("chain_position", sa.Integer(), "0"),
    # How often it was begun anew after an abort.
    given("retries", sa.Integer(), "0"),
    sa.UniqueConstraint("account_id", "idempotency_key"),
    sa.UniqueConstraint("request_token"),
)
_m = moderations.c
# What is due, per stage: the many that wait for a slot are due all the time and must not be waded through.
partial("ix_moderations_due", _m.stage, _m.due_at, _m.id, where=_m.due_at.is_not(None))
# Admission: each account's next moderations in their order, and the slots in use.
partial(
    "ix_moderations_queued",
    _m.pool,
    _m.account_id,
    _m.priority.desc(),
    _m.created_at,
    _m.id,
    where=one_of(_m.stage, [Stage.QUEUED]),
)
partial("ix_moderations_slots", _m.pool, _m.account_id, where=one_of(_m.stage, SLOT_STAGES))
# What messages from outside name: a job that runs.
partial("ix_moderations_job", _m.job_id, where=one_of(_m.stage, [Stage.ANALYSING]))
# Labels that were paid for: of the same bytes, the newest first.
partial(
    "ix_moderations_labels",
    _m.account_id,
    _m.fingerprint,
    _m.ended_at,
    where=sa.and_(_m.labels_key.is_not(None), _m.labels_of.is_(None)),
)
# Who else is judged by a job's labels.
partial("ix_moderations_labels_of", _m.labels_of, where=_m.labels_of.is_not(None))
# Listings, newest first.
sa.Index("ix_moderations_listing", _m.account_id, _m.kind, _m.status, _m.created_at, _m.id)
sa.Index("ix_moderations_account", _m.account_id, _m.created_at, _m.id)
sa.Index("ix_moderations_status", _m.status, _m.created_at, _m.id)
sa.Index("ix_moderations_newest", _m.created_at, _m.id)
sa.Index("ix_moderations_asset", _m.asset_id, _m.created_at, _m.id)
partial(
    "ix_moderations_current",
    _m.account_id,
    _m.kind,
    _m.status,
    _m.created_at,
    _m.id,
    where=_m.superseded.is_(False),
)
# Whether an asset has a verdict: told by the index alone.
partial("ix_moderations_verdict", _m.asset_id, _m.status, _m.kind, where=_m.superseded.is_(False))
partial("ix_moderations_chain", _m.chain, _m.chain_position, where=_m.chain.is_not(None))
# Labels that are kept for a time.
partial(
    "ix_moderations_labels_age",
    _m.created_at,
    _m.asset_id,
    where=sa.and_(one_of(_m.stage, [Stage.DECIDED]), _m.labels_key.is_not(None)),
)
# Figures that are scraped: counted from the index alone, which holds none of the many that have ended.
partial(
    "ix_moderations_open",
    _m.stage,
    _m.status,
    _m.stage_since,
    _m.created_at,
    where=_m.stage != sa.literal_column(f"'{Stage.DECIDED}'"),
)
# What ended lately; earlier releases count the stages by it.
sa.Index("ix_moderations_stage", _m.stage, _m.updated_at)

# What any policy needs to know of labels that are kept; the labels themselves are beside the media.
gists = sa.Table(
    "gists",
    metadata,
    sa.Column("labels_key", sa.Text, primary_key=True),
    text("gist"),
    moment("created_at"),
)

pools = sa.Table(
    "pools",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    number("slots"),
    # How many of the slots others leave to us, and when to try for one more.
    number("limit"),
    optional("probe_at", UtcDateTime),
    sa.Column("probe_wait", sa.Double, nullable=False),
    # When the next Start call may be made, and how long jobs take; earlier releases keep the latter as a ratio.
    optional("next_start_at", UtcDateTime),
    optional("job_ratio", sa.Double),
    optional("job_times", Document),
    # To which share of its rate a kind of call was slowed down, and when.
    optional("start_slowed_to", sa.Double),
    optional("start_slowed_at", UtcDateTime),
    optional("get_slowed_to", sa.Double),
    optional("get_slowed_at", UtcDateTime),
    moment("created_at"),
    moment("updated_at"),
    sa.CheckConstraint("slots >= 0", name="slots"),
)

audit_events = sa.Table(
    "audit_events",
    metadata,
    identity(),
    reference("accounts"),
    # No foreign keys: what was done stays on record whatever becomes of its object.
    optional("moderation_id", sa.Uuid(as_uuid=False)),
    optional("asset_id", sa.Uuid(as_uuid=False)),
    text("actor"),
    text("action"),
    optional("detail", Document),
    moment("created_at"),
)
# The audit trail: of a moderation, of an asset beside its moderations', of one person, and of an account.
_e = audit_events.c
sa.Index("ix_audit_events_moderation", _e.moderation_id, _e.id)
partial("ix_audit_events_asset", _e.asset_id, where=sa.and_(_e.moderation_id.is_(None), _e.asset_id.is_not(None)))
sa.Index("ix_audit_events_actor", _e.actor, _e.created_at, _e.id)
sa.Index("ix_audit_events_account", _e.account_id, _e.created_at, _e.id)

# Worker processes, which say now and then that they are there.
workers = sa.Table(
    "workers",
    metadata,
    identity(),
    text("host"),
    number("pid"),
    text("version"),
    # Separated by commas.
    text("queues"),
    moment("started_at"),
    moment("seen_at"),
)
