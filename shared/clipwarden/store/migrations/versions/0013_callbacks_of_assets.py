"""Callbacks are found by the asset that they tell of; on PostgreSQL writers wait while the index is built."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    there = sa.text("asset_id IS NOT NULL")
    columns = ["asset_id", "created_at", "id"]
    op.create_index("ix_deliveries_asset", "deliveries", columns, postgresql_where=there, sqlite_where=there)


def downgrade() -> None:
    op.drop_index("ix_deliveries_asset", "deliveries")
