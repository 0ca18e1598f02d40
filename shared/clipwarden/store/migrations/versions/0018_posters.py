"""Posters of videos."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "posters",
        sa.Column("asset_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_posters_asset_id_assets")),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_posters")),
    )


def downgrade() -> None:
    op.drop_table("posters")
