"""What is to be forgotten of assets, and indexes that find what is old.

On PostgreSQL writers wait while the indexes are built.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_ID = sa.Uuid(as_uuid=False)
_MOMENT = sa.DateTime(timezone=True)

_INDEXES = (
    ("ix_erasures_due", "erasures", ["due_at", "id"], "due_at IS NOT NULL"),
    (
        "ix_moderations_labels_age",
        "moderations",
        ["created_at", "asset_id"],
        "stage = 'decided' AND labels_key IS NOT NULL",
    ),
    ("ix_moderations_labels_of", "moderations", ["labels_of"], "labels_of IS NOT NULL"),
    ("ix_assets_rejected", "assets", ["updated_at", "id"], "placed = 'quarantine' AND deleted_at IS NULL"),
    ("ix_assets_deleted", "assets", ["deleted_at", "id"], "deleted_at IS NOT NULL"),
    ("ix_audit_events_asset", "audit_events", ["asset_id"], "moderation_id IS NULL AND asset_id IS NOT NULL"),
)


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("asset_id", _ID, nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.CheckConstraint("scope IN ('asset', 'bytes', 'labels')", name=op.f("ck_erasures_scope")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_erasures_account_id_accounts")),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_erasures_asset_id_assets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sa.UniqueConstraint("asset_id", "scope", name=op.f("uq_erasures_asset_id_scope")),
    )
    for name, table, columns, condition in _INDEXES:
        where = sa.text(condition)
        op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    for name, table, _, _ in reversed(_INDEXES):
        op.drop_index(name, table)
    op.drop_table("erasures")
