"""Leftovers may be bytes of no asset: those of uploads that were not taken in to their end."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_COLUMNS = (("asset_id", sa.Uuid(as_uuid=False)), ("version", sa.BigInteger()))


def upgrade() -> None:
    with op.batch_alter_table("leftovers") as leftovers:
        for name, kind in _COLUMNS:
            leftovers.alter_column(name, existing_type=kind, nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM leftovers WHERE asset_id IS NULL")
    with op.batch_alter_table("leftovers") as leftovers:
        for name, kind in _COLUMNS:
            leftovers.alter_column(name, existing_type=kind, nullable=False)
