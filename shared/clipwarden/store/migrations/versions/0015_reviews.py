"""What reviewers do about a moderation: who has it before them, who asked for help, and what can be undone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ID = sa.Uuid(as_uuid=False)
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    document = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    op.create_table(
        "reviews",
        sa.Column("moderation_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("holder_id", _ID, nullable=True),
        sa.Column("claim", sa.Text(), nullable=True),
        sa.Column("held_until", _MOMENT, nullable=True),
        sa.Column("escalated_at", _MOMENT, nullable=True),
        sa.Column("escalated_by", sa.Text(), nullable=True),
        sa.Column("undo", document, nullable=True),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["moderation_id"], ["moderations.id"], name=op.f("fk_reviews_moderation_id_moderations")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_reviews_account_id_accounts")),
        sa.ForeignKeyConstraint(["holder_id"], ["users.id"], name=op.f("fk_reviews_holder_id_users")),
        sa.PrimaryKeyConstraint("moderation_id", name=op.f("pk_reviews")),
    )
    where = sa.text("escalated_at IS NOT NULL")
    op.create_index("ix_reviews_escalated", "reviews", ["escalated_at"], postgresql_where=where, sqlite_where=where)
    for column in ("actor", "account_id"):
        name = f"ix_audit_events_{column.removesuffix('_id')}"
        op.create_index(name, "audit_events", [column, "created_at", "id"])


def downgrade() -> None:
    for column in ("actor", "account"):
        op.drop_index(f"ix_audit_events_{column}", "audit_events")
    op.drop_table("reviews")
