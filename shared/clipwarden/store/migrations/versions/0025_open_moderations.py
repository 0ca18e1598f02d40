"""An index of the moderations that have not ended, for figures of their stages."""

from alembic import op

from clipwarden.store.migrations import indexes

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    columns = ["stage", "status", "stage_since", "created_at"]
    indexes.build("ix_moderations_open", "moderations", columns, where="stage != 'decided'")


def downgrade() -> None:
    op.drop_index("ix_moderations_open", "moderations")
