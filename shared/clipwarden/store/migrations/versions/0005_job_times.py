"""How long a pool's jobs take, as a distribution instead of one ratio."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    document = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    op.add_column("pools", sa.Column("job_times", document, nullable=True))


def downgrade() -> None:
    op.drop_column("pools", "job_times")
