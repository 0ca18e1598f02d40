"""What reusing labels needs: bytes are recognised, and the moderation whose job the labels are from is named."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("assets", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.add_column("moderations", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.add_column("moderations", sa.Column("labels_of", sa.Uuid(as_uuid=False), nullable=True))
    op.add_column("moderations", sa.Column("rejudges", sa.Uuid(as_uuid=False), nullable=True))
    paid = sa.text("labels_key IS NOT NULL AND labels_of IS NULL")
    op.create_index(
        "ix_moderations_labels",
        "moderations",
        ["account_id", "fingerprint", "ended_at"],
        postgresql_where=paid,
        sqlite_where=paid,
    )


def downgrade() -> None:
    op.drop_index("ix_moderations_labels", "moderations")
    op.drop_column("moderations", "rejudges")
    op.drop_column("moderations", "labels_of")
    op.drop_column("moderations", "fingerprint")
    op.drop_column("assets", "fingerprint")
