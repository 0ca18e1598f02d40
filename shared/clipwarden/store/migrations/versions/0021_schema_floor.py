"""The oldest revision whose code works with the schema, so that releases can be rolled out beside each other."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    made = op.create_table(
        "schema_floor",
        sa.Column("revision", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_schema_floor")),
    )
    op.bulk_insert(made, [{"revision": revision}])


def downgrade() -> None:
    op.drop_table("schema_floor")
