"""Since when a moderation is in its stage."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("moderations", sa.Column("stage_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("moderations", "stage_since")
