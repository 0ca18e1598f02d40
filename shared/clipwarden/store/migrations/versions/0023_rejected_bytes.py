"""Indexes that find rejected bytes which are past their time, of deleted assets and of earlier versions too."""

from alembic import op

from clipwarden.store.migrations import indexes

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    quarantined = "placed = 'quarantine' AND bucket IS NOT NULL"
    indexes.build("ix_assets_quarantined", "assets", ["updated_at", "id"], where=quarantined)
    indexes.build("ix_asset_versions_age", "asset_versions", ["created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_asset_versions_age", "asset_versions")
    op.drop_index("ix_assets_quarantined", "assets")
