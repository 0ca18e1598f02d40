"""What the gateway needs: assets of all types with tags, context and versions; further keys; uploads; triggers."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_OLD_NAME, _NEW_NAME = (
    "uq_assets_account_id_public_id",
    "uq_assets_account_id_resource_type_type_public_id",
)
_NOT_SUPERSEDED = "superseded IS 0"


def upgrade() -> None:
    _widen_assets()
    _create_tables()
    op.add_column("accounts", _flag("pending_listed", default=True))
    op.add_column("accounts", _flag("pending_delivered", default=True))
    op.add_column("moderations", _flag("superseded", default=False))
    op.add_column("moderations", sa.Column("chain", sa.Uuid(as_uuid=False), nullable=True))
    op.add_column("moderations", sa.Column("chain_position", sa.Integer(), server_default="0", nullable=False))
    # Of each kind, an asset's newest is the one that counts.
    op.execute(
        "UPDATE moderations SET superseded = true WHERE EXISTS (SELECT 1 FROM moderations later "
        "WHERE later.asset_id = moderations.asset_id AND later.kind = moderations.kind "
        "AND (later.created_at, later.id) > (moderations.created_at, moderations.id))"
    )
    op.create_index(
        "ix_moderations_current",
        "moderations",
        ["account_id", "kind", "status", "created_at", "id"],
        **_where(_NOT_SUPERSEDED),
    )
    op.create_index("ix_moderations_chain", "moderations", ["chain", "chain_position"], **_where("chain IS NOT NULL"))
    op.create_index("ix_assets_listing", "assets", ["account_id", "resource_type", "type", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_assets_listing", "assets")
    op.drop_index("ix_moderations_chain", "moderations")
    op.drop_index("ix_moderations_current", "moderations")
    for name in ("chain_position", "chain", "superseded"):
        op.drop_column("moderations", name)
    for name in ("pending_delivered", "pending_listed"):
        op.drop_column("accounts", name)
    for name in ("triggers", "uploads", "asset_versions", "asset_context", "asset_tags", "api_keys"):
        op.drop_table(name)
    with op.batch_alter_table("assets", copy_from=_assets([*_columns(), *_new_columns()], _NEW_NAME)) as assets:
        assets.drop_constraint(_NEW_NAME, type_="unique")
        for column in _new_columns():
            assets.drop_column(column.name)
        assets.create_unique_constraint(_OLD_NAME, ["account_id", "public_id"])


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition.replace("IS 0", "IS false")), "sqlite_where": sa.text(condition)}


def _flag(name: str, *, default: bool) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.true() if default else sa.false(), nullable=False)


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _document(name: str, **options: Any) -> sa.Column[Any]:
    kind = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    return sa.Column(name, kind, **{"nullable": False, **options})


def _uuid(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=False, **options)


def _text(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), **{"nullable": False, **options})


def _columns() -> list[sa.Column[Any]]:
    """Return the columns that assets have had so far."""
    optional = {"nullable": True}
    return [
        _uuid("id"),
        _uuid("account_id"),
        _text("public_id"),
        sa.Column("version", sa.BigInteger(), nullable=False),
        _text("bucket", **optional),
        _text("key", **optional),
        _text("object_version", **optional),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        _text("etag", **optional),
        _document("facts", nullable=True),
        sa.Column("wanted", sa.String(length=16), nullable=False),
        sa.Column("placed", sa.String(length=16), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        _text("fingerprint", **optional),
    ]


def _new_columns() -> list[sa.Column[Any]]:
    optional = {"nullable": True}
    return [
        sa.Column("resource_type", sa.String(length=8), server_default="video", nullable=False),
        sa.Column("type", sa.String(length=16), server_default="upload", nullable=False),
        _text("format", **optional),
        _text("original_filename", **optional),
        _text("display_name", **optional),
        _text("asset_folder", **optional),
        _document("tags", server_default="[]"),
        _document("context", server_default="{}"),
        _flag("backup", default=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
    ]


def _assets(columns: list[sa.Column[Any]], unique: str) -> sa.Table:
    """Return the table as SQLite needs it to build it anew: with what cannot be read off it."""
    names = ["account_id", "public_id"] if unique == _OLD_NAME else ["account_id", "resource_type", "type", "public_id"]
    due = sa.text("due_at IS NOT NULL")
    return sa.Table(
        "assets",
        sa.MetaData(),
        *columns,
        sa.CheckConstraint("placed IN ('library', 'quarantine')", name=op.f("ck_assets_placed")),
        sa.CheckConstraint("wanted IN ('library', 'quarantine')", name=op.f("ck_assets_wanted")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_assets_account_id_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_assets"),
        sa.UniqueConstraint(*names, name=unique),
        sa.Index("ix_assets_due", "due_at", "id", sqlite_where=due),
        sa.Index("ix_assets_location", "bucket", "key"),
    )


def _widen_assets() -> None:
    with op.batch_alter_table("assets", copy_from=_assets(_columns(), _OLD_NAME)) as assets:
        assets.drop_constraint(_OLD_NAME, type_="unique")
        for column in _new_columns():
            assets.add_column(column)
        assets.create_unique_constraint(_NEW_NAME, ["account_id", "resource_type", "type", "public_id"])


def _create_tables() -> None:
    _create(
        "api_keys",
        _uuid("account_id"),
        _text("key"),
        _text("secret"),
        _flag("enabled", default=True),
        _moment("created_at"),
        unique=["key"],
    )
    _create_lookup("asset_tags", "tag", _uuid("account_id"))
    _create_lookup("asset_context", "key", _uuid("account_id"), _text("value"))
    _create(
        "asset_versions",
        _uuid("asset_id"),
        sa.Column("version", sa.BigInteger(), nullable=False),
        _text("bucket"),
        _text("key"),
        _text("object_version", nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        _text("etag", nullable=True),
        _text("fingerprint", nullable=True),
        _text("format", nullable=True),
        _document("facts", nullable=True),
        _moment("created_at"),
        unique=["asset_id", "version"],
        of="assets",
    )
    _create(
        "uploads",
        _uuid("account_id"),
        _text("upload_id"),
        _text("bucket"),
        _text("key"),
        _text("token"),
        _document("parts"),
        _document("parameters"),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        _moment("expires_at"),
        unique=["account_id", "upload_id"],
    )
    op.create_index("ix_uploads_expiry", "uploads", ["expires_at"])
    _create(
        "triggers",
        _uuid("account_id"),
        _text("uri"),
        _text("event_type"),
        _moment("created_at"),
        _moment("updated_at"),
        unique=["account_id", "event_type", "uri"],
    )


def _create(name: str, *columns: sa.Column[Any], unique: list[str], of: str = "accounts") -> None:
    owner = f"{of.removesuffix('s')}_id"
    op.create_table(
        name,
        _uuid("id"),
        *columns,
        sa.ForeignKeyConstraint([owner], [f"{of}.id"], name=f"fk_{name}_{owner}_{of}"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.UniqueConstraint(*unique, name=f"uq_{name}_{'_'.join(unique)}"),
    )


def _create_lookup(name: str, word: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        _uuid("asset_id"),
        _text(word),
        *columns,
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=f"fk_{name}_account_id_accounts"),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=f"fk_{name}_asset_id_assets"),
        sa.PrimaryKeyConstraint("asset_id", word, name=f"pk_{name}"),
    )
    op.create_index(f"ix_{name}_{word}", name, ["account_id", word, "asset_id"])
