"""Whose the bytes are: the service's own, which it may delete, or its users'; and what is to be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of bytes that are there already nobody knows: they count as users', and are never deleted.
    for table in ("assets", "asset_versions"):
        op.add_column(table, sa.Column("ours", sa.Boolean(), server_default=sa.false(), nullable=False))
        op.add_column(table, sa.Column("md5", sa.Text(), nullable=True))
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "leftovers",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("asset_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("object_version", sa.Text(), nullable=True),
        sa.Column("due_at", moment, nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name="fk_leftovers_asset_id_assets"),
        sa.PrimaryKeyConstraint("id", name="pk_leftovers"),
        sa.UniqueConstraint("asset_id", "version", name="uq_leftovers_asset_id_version"),
    )
    due = sa.text("due_at IS NOT NULL")
    op.create_index("ix_leftovers_due", "leftovers", ["due_at", "id"], postgresql_where=due, sqlite_where=due)


def downgrade() -> None:
    op.drop_table("leftovers")
    for table in ("asset_versions", "assets"):
        op.drop_column(table, "md5")
        op.drop_column(table, "ours")
