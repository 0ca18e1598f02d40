"""What several pools need: each waiting moderation belongs to one, and each pool remembers how fast it may call."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_QUEUED = sa.text("stage = 'queued'")
_PACES: dict[str, sa.types.TypeEngine[Any]] = {
    "start_slowed_to": sa.Double(),
    "start_slowed_at": sa.DateTime(timezone=True),
    "get_slowed_to": sa.Double(),
    "get_slowed_at": sa.DateTime(timezone=True),
}


def upgrade() -> None:
    for name, kind in _PACES.items():
        op.add_column("pools", sa.Column(name, kind, nullable=True))
    # Until now there was one pool, and whoever waited did so for its slots.
    op.execute(
        "UPDATE moderations SET pool = (SELECT name FROM pools ORDER BY updated_at DESC LIMIT 1) "
        "WHERE pool IS NULL AND stage = 'queued'"
    )
    _index(["pool", "account_id", sa.text("priority DESC"), "created_at", "id"])


def downgrade() -> None:
    _index(["account_id", sa.text("priority DESC"), "created_at", "id"])
    for name in _PACES:
        op.drop_column("pools", name)


def _index(columns: list[str | sa.TextClause]) -> None:
    op.drop_index("ix_moderations_queued", "moderations")
    op.create_index("ix_moderations_queued", "moderations", columns, postgresql_where=_QUEUED, sqlite_where=_QUEUED)
