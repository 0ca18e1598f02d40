"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_accounts()
    _create_presets()
    _create_assets()
    _create_pools()
    _create_moderations()
    _create_deliveries()
    _create_audit_events()


def downgrade() -> None:
    for table in ("audit_events", "deliveries", "moderations", "pools", "assets", "presets", "accounts"):
        op.drop_table(table)


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("api_key", sa.Text(), nullable=False),
        sa.Column("api_secret", sa.Text(), nullable=False),
        sa.Column("notification_url", sa.Text(), nullable=True),
        sa.Column("signature_algorithm", sa.Text(), nullable=False),
        sa.Column("default_taxonomy", sa.Text(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("max_in_flight", sa.Integer(), nullable=True),
        sa.Column("created_at", _moment(), nullable=False),
        sa.CheckConstraint("weight > 0", name=op.f("ck_accounts_weight")),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("api_key", name="uq_accounts_api_key"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )


def _create_presets() -> None:
    op.create_table(
        "presets",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unsigned", sa.Boolean(), nullable=False),
        sa.Column("options", _document(), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_presets_account_id_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_presets"),
        sa.UniqueConstraint("account_id", "name", name="uq_presets_account_id_name"),
    )


def _create_assets() -> None:
    op.create_table(
        "assets",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("object_version", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("facts", _document(), nullable=True),
        sa.Column("wanted", sa.String(length=16), nullable=False),
        sa.Column("placed", sa.String(length=16), nullable=False),
        sa.Column("due_at", _moment(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.CheckConstraint("placed IN ('library', 'quarantine')", name=op.f("ck_assets_placed")),
        sa.CheckConstraint("wanted IN ('library', 'quarantine')", name=op.f("ck_assets_wanted")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_assets_account_id_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_assets"),
        sa.UniqueConstraint("account_id", "public_id", name="uq_assets_account_id_public_id"),
    )
    op.create_index("ix_assets_due", "assets", ["due_at", "id"], **_where("due_at IS NOT NULL"))


def _create_pools() -> None:
    op.create_table(
        "pools",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.Column("probe_at", _moment(), nullable=True),
        sa.Column("probe_wait", sa.Double(), nullable=False),
        sa.Column("next_start_at", _moment(), nullable=True),
        sa.Column("job_ratio", sa.Double(), nullable=True),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.CheckConstraint("slots >= 0", name=op.f("ck_pools_slots")),
        sa.PrimaryKeyConstraint("name", name="pk_pools"),
    )


def _create_moderations() -> None:
    op.create_table(
        "moderations",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("asset_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("asset_version", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("notification_urls", _document(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("due_at", _moment(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=True),
        sa.Column("min_confidence", sa.Double(), nullable=True),
        sa.Column("request_token", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("labels_key", sa.Text(), nullable=True),
        sa.Column("label_count", sa.Integer(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=True),
        sa.Column("verdict", _document(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_reason", sa.Text(), nullable=True),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.Column("started_at", _moment(), nullable=True),
        sa.Column("ended_at", _moment(), nullable=True),
        sa.Column("decided_at", _moment(), nullable=True),
        sa.CheckConstraint("kind IN ('aws_rek_video', 'manual')", name=op.f("ck_moderations_kind")),
        sa.CheckConstraint(
            "stage IN ('intake', 'queued', 'starting', 'analysing', 'collecting', 'judging', 'review', 'decided')",
            name=op.f("ck_moderations_stage"),
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'pending', 'approved', 'rejected', 'aborted')", name=op.f("ck_moderations_status")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_moderations_account_id_accounts"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name="fk_moderations_asset_id_assets"),
        sa.ForeignKeyConstraint(["pool"], ["pools.name"], name="fk_moderations_pool_pools"),
        sa.PrimaryKeyConstraint("id", name="pk_moderations"),
        sa.UniqueConstraint("account_id", "idempotency_key", name="uq_moderations_account_id_idempotency_key"),
        sa.UniqueConstraint("request_token", name="uq_moderations_request_token"),
    )
    op.create_index("ix_moderations_account", "moderations", ["account_id", "created_at", "id"])
    op.create_index("ix_moderations_asset", "moderations", ["asset_id", "created_at", "id"])
    op.create_index("ix_moderations_due", "moderations", ["stage", "due_at", "id"], **_where("due_at IS NOT NULL"))
    op.create_index("ix_moderations_listing", "moderations", ["account_id", "kind", "status", "created_at", "id"])
    op.create_index("ix_moderations_newest", "moderations", ["created_at", "id"])
    op.create_index(
        "ix_moderations_queued",
        "moderations",
        ["account_id", sa.text("priority DESC"), "created_at", "id"],
        **_where("stage = 'queued'"),
    )
    op.create_index(
        "ix_moderations_slots", "moderations", ["pool", "account_id"], **_where("stage IN ('starting', 'analysing')")
    )
    op.create_index("ix_moderations_stage", "moderations", ["stage", "updated_at"])
    op.create_index("ix_moderations_status", "moderations", ["status", "created_at", "id"])


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("moderation_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("due_at", _moment(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.Column("delivered_at", _moment(), nullable=True),
        sa.CheckConstraint("stage IN ('waiting', 'delivered', 'failed')", name=op.f("ck_deliveries_stage")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_deliveries_account_id_accounts"),
        sa.ForeignKeyConstraint(["moderation_id"], ["moderations.id"], name="fk_deliveries_moderation_id_moderations"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint(
            "moderation_id", "sequence", "event", "url", name="uq_deliveries_moderation_id_sequence_event_url"
        ),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["stage", "due_at", "id"], **_where("due_at IS NOT NULL"))
    op.create_index("ix_deliveries_stage", "deliveries", ["stage", "created_at"])


def _create_audit_events() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("moderation_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("asset_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("detail", _document(), nullable=True),
        sa.Column("created_at", _moment(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_audit_events_account_id_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_moderation", "audit_events", ["moderation_id", "id"])


def _moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True)


def _document() -> sa.types.TypeEngine[Any]:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}
