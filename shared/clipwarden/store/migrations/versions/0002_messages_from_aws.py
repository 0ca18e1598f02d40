"""What messages from AWS need: the job or the object that one names is found, and a repetition is recognised."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("moderations", sa.Column("hinted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("assets", sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True))
    running = sa.text("stage = 'analysing'")
    op.create_index("ix_moderations_job", "moderations", ["job_id"], postgresql_where=running, sqlite_where=running)
    op.create_index("ix_assets_location", "assets", ["bucket", "key"])


def downgrade() -> None:
    op.drop_index("ix_assets_location", "assets")
    op.drop_index("ix_moderations_job", "moderations")
    op.drop_column("assets", "restored_at")
    op.drop_column("moderations", "hinted_at")
