"""What listings of a million assets need: names sorted by code points, tags in their assets' order, and indexes.

On PostgreSQL the indexes over names and tags are built anew, and all of them while writers wait.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TAGS = "ix_asset_tags_tag"
_PRESENT = "deleted_at IS NULL"
_LIBRARY = f"{_PRESENT} AND bucket IS NOT NULL AND wanted = 'library'"


def upgrade() -> None:
    _sort("C")
    _widen_tags()
    _index("ix_assets_account", ["account_id", "created_at", "id"], _PRESENT)
    _index("ix_assets_library", ["account_id", "resource_type", "created_at", "id"], _LIBRARY)
    _index("ix_assets_names", ["account_id", "resource_type", "public_id", "id"], _LIBRARY)
    _index_verdicts()


def downgrade() -> None:
    op.drop_index("ix_moderations_verdict", "moderations")
    for name in ("ix_assets_names", "ix_assets_library", "ix_assets_account"):
        op.drop_index(name, "assets")
    with op.batch_alter_table("asset_tags") as tags:
        tags.drop_index(_TAGS)
        tags.drop_column("created_at")
        tags.drop_column("resource_type")
        tags.create_index(_TAGS, ["account_id", "tag", "asset_id"])
    _sort("default")


def _sort(collation: str) -> None:
    """Let PostgreSQL sort by this; SQLite sorts by code points anyway."""
    if op.get_bind().dialect.name == "postgresql":
        for table, column in (("assets", "public_id"), ("asset_tags", "tag")):
            op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE text COLLATE "{collation}"')


def _widen_tags() -> None:
    kinds: dict[str, Any] = {"resource_type": sa.String(length=8), "created_at": sa.DateTime(timezone=True)}
    with op.batch_alter_table("asset_tags") as tags:
        tags.drop_index(_TAGS)
        for name, kind in kinds.items():
            tags.add_column(sa.Column(name, kind, nullable=True))
    op.execute(
        "UPDATE asset_tags SET resource_type = assets.resource_type, created_at = assets.created_at "
        "FROM assets WHERE assets.id = asset_tags.asset_id"
    )
    with op.batch_alter_table("asset_tags") as tags:
        for name, kind in kinds.items():
            tags.alter_column(name, existing_type=kind, nullable=False)
        tags.create_index(_TAGS, ["account_id", "tag", "resource_type", "created_at", "asset_id"])


def _index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "assets", columns, postgresql_where=where, sqlite_where=where)


def _index_verdicts() -> None:
    op.create_index(
        "ix_moderations_verdict",
        "moderations",
        ["asset_id", "status", "kind"],
        postgresql_where=sa.text("superseded IS false"),
        sqlite_where=sa.text("superseded IS 0"),
    )
