"""Whose the bytes are: the service's own, which it may delete, or its users'."""

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


def downgrade() -> None:
    for table in ("asset_versions", "assets"):
        op.drop_column(table, "ours")
