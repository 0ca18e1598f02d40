"""Indexes that find rejected bytes which are past their time, of deleted assets and of earlier versions too.

On PostgreSQL writers wait while the indexes are built.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None

_QUARANTINED = sa.text("placed = 'quarantine' AND bucket IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_assets_quarantined",
        "assets",
        ["updated_at", "id"],
        postgresql_where=_QUARANTINED,
        sqlite_where=_QUARANTINED,
    )
    op.create_index("ix_asset_versions_age", "asset_versions", ["created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_asset_versions_age", "asset_versions")
    op.drop_index("ix_assets_quarantined", "assets")
