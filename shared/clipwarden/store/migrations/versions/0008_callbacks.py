"""Callbacks: endpoints with secrets of their own, how each fares, and a log of attempts."""

import uuid
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OLD_STAGES, _NEW_STAGES = "'waiting', 'delivered', 'failed'", "'waiting', 'sending', 'delivered', 'failed'"
_DUE = "due_at IS NOT NULL"
_PORTS = {"http": 80, "https": 443}


def upgrade() -> None:
    for column in _rotating("webhook_secret"):
        op.add_column("accounts", column)
    _make_endpoints()
    _make_states()
    _widen_deliveries()
    _make_attempts()


def downgrade() -> None:
    op.drop_table("delivery_attempts")
    op.drop_index("ix_deliveries_url", "deliveries")
    op.drop_index("ix_deliveries_newest", "deliveries")
    op.drop_index("ix_deliveries_listing", "deliveries")
    op.drop_index("ix_deliveries_endpoint", "deliveries")
    op.execute("DELETE FROM deliveries WHERE moderation_id IS NULL")
    op.execute("UPDATE deliveries SET stage = 'waiting' WHERE stage = 'sending'")
    with op.batch_alter_table("deliveries", copy_from=_deliveries(new=True)) as deliveries:
        deliveries.drop_constraint("fk_deliveries_endpoint_state_id_endpoint_states", type_="foreignkey")
        deliveries.drop_constraint(op.f("ck_deliveries_stage"), type_="check")
        deliveries.create_check_constraint(op.f("ck_deliveries_stage"), f"stage IN ({_OLD_STAGES})")
        deliveries.alter_column("moderation_id", existing_type=sa.Uuid(as_uuid=False), nullable=False)
        deliveries.drop_column("asset_id")
        deliveries.drop_column("endpoint_state_id")
    op.drop_table("endpoint_states")
    _unmake_endpoints()
    for column in _rotating("webhook_secret"):
        op.drop_column("accounts", column.name)


def _rotating(name: str) -> list[sa.Column[Any]]:
    return [
        sa.Column(name, sa.Text(), nullable=True),
        sa.Column(f"{name}_before", sa.Text(), nullable=True),
        sa.Column(f"{name}_until", sa.DateTime(timezone=True), nullable=True),
    ]


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _uuid(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _document(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    kind = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    return sa.Column(name, kind, nullable=nullable)


def _owned(name: str, *columns: sa.Column[Any], unique: list[str]) -> None:
    op.create_table(
        name,
        _uuid("id"),
        _uuid("account_id"),
        *columns,
        _moment("created_at"),
        _moment("updated_at"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=f"fk_{name}_account_id_accounts"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.UniqueConstraint(*unique, name=f"uq_{name}_{'_'.join(unique)}"),
    )


def _make_endpoints() -> None:
    _owned(
        "endpoints",
        _text("url"),
        _text("event_type"),
        *_rotating("secret"),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        _moment("disabled_at", nullable=True),
        _text("disabled_reason", nullable=True),
        unique=["account_id", "event_type", "url"],
    )
    columns = "id, account_id, event_type, created_at, updated_at"
    op.execute(f"INSERT INTO endpoints (url, {columns}) SELECT uri, {columns} FROM triggers")  # noqa: S608 # constants
    op.drop_table("triggers")


def _unmake_endpoints() -> None:
    _owned("triggers", _text("uri"), _text("event_type"), unique=["account_id", "event_type", "uri"])
    columns = "id, account_id, event_type, created_at, updated_at"
    op.execute(
        f"INSERT INTO triggers (uri, {columns}) SELECT url, {columns} FROM endpoints "  # noqa: S608 # constants
        "WHERE event_type <> 'default'"
    )
    op.drop_table("endpoints")


def _make_states() -> None:
    _owned(
        "endpoint_states",
        _text("origin"),
        _moment("due_at", nullable=True),
        _number("width"),
        _number("failures"),
        _number("trips"),
        _moment("paused_until", nullable=True),
        _moment("next_at", nullable=True),
        _moment("failing_since", nullable=True),
        _moment("disabled_at", nullable=True),
        _text("disabled_reason", nullable=True),
        unique=["account_id", "origin"],
    )
    op.create_index("ix_endpoint_states_due", "endpoint_states", ["due_at", "id"], **_partial())


def _partial() -> dict[str, Any]:
    return {"postgresql_where": sa.text(_DUE), "sqlite_where": sa.text(_DUE)}


def _widen_deliveries() -> None:
    with op.batch_alter_table("deliveries", copy_from=_deliveries(new=False)) as deliveries:
        deliveries.add_column(_uuid("endpoint_state_id", nullable=True))
        deliveries.add_column(_uuid("asset_id", nullable=True))
        deliveries.alter_column("moderation_id", existing_type=sa.Uuid(as_uuid=False), nullable=True)
        deliveries.drop_constraint(op.f("ck_deliveries_stage"), type_="check")
        deliveries.create_check_constraint(op.f("ck_deliveries_stage"), f"stage IN ({_NEW_STAGES})")
    _find_states()
    with op.batch_alter_table("deliveries", copy_from=_deliveries(new=True, state_nullable=True)) as deliveries:
        deliveries.alter_column("endpoint_state_id", existing_type=sa.Uuid(as_uuid=False), nullable=False)
        deliveries.create_foreign_key(
            "fk_deliveries_endpoint_state_id_endpoint_states", "endpoint_states", ["endpoint_state_id"], ["id"]
        )
    op.create_index(
        "ix_deliveries_endpoint", "deliveries", ["endpoint_state_id", "stage", "due_at", "id"], **_partial()
    )
    op.create_index("ix_deliveries_listing", "deliveries", ["account_id", "created_at", "id"])
    op.create_index("ix_deliveries_newest", "deliveries", ["created_at", "id"])
    op.create_index("ix_deliveries_url", "deliveries", ["account_id", "url", "stage"])


def _find_states() -> None:
    """Give every delivery the state of its endpoint, and let those be looked at that have something to send."""
    conn = op.get_bind()
    told = conn.execute(
        sa.text(
            "SELECT account_id, url, min(due_at) AS due_at, min(created_at) AS created_at "
            "FROM deliveries GROUP BY account_id, url"
        )
    ).all()
    made: dict[tuple[str, str], str] = {}
    for row in told:
        key = (str(row.account_id), _origin(row.url))
        values = {"account": row.account_id, "due": row.due_at, "created": row.created_at, "url": row.url}
        if key not in made:
            made[key] = uuid.uuid4().hex if conn.dialect.name == "sqlite" else str(uuid.uuid4())
            conn.execute(
                sa.text(
                    "INSERT INTO endpoint_states (id, account_id, origin, width, failures, trips, created_at, "
                    "updated_at) VALUES (:id, :account, :origin, 1, 0, 0, :created, :created)"
                ),
                values | {"id": made[key], "origin": key[1]},
            )
        conn.execute(
            sa.text(
                "UPDATE endpoint_states SET due_at = :due WHERE id = :id AND :due IS NOT NULL "
                "AND (due_at IS NULL OR due_at > :due)"
                if conn.dialect.name == "sqlite"
                else "UPDATE endpoint_states SET due_at = least(due_at, cast(:due AS timestamptz)) WHERE id = :id"
            ),
            values | {"id": made[key]},
        )
        conn.execute(
            sa.text("UPDATE deliveries SET endpoint_state_id = :id WHERE account_id = :account AND url = :url"),
            values | {"id": made[key]},
        )


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return "unreadable"
    return f"{parts.scheme}://{(parts.hostname or '').removesuffix('.')}:{port}"


def _deliveries(*, new: bool, state_nullable: bool = False) -> sa.Table:
    """Return the table as SQLite needs it to build it anew: with what cannot be read off it."""
    added = [_uuid("endpoint_state_id", nullable=state_nullable), _uuid("asset_id", nullable=True)] if new else []
    stages = _NEW_STAGES if new else _OLD_STAGES
    foreign = (
        [
            sa.ForeignKeyConstraint(
                ["endpoint_state_id"],
                ["endpoint_states.id"],
                name="fk_deliveries_endpoint_state_id_endpoint_states",
            )
        ]
        if new and not state_nullable
        else []
    )
    return sa.Table(
        "deliveries",
        sa.MetaData(),
        _uuid("id"),
        _uuid("account_id"),
        _uuid("moderation_id", nullable=new),
        _text("event"),
        _number("sequence"),
        _text("url"),
        _text("body"),
        sa.Column("stage", sa.String(length=16), nullable=False),
        _moment("due_at", nullable=True),
        _number("fence"),
        _number("attempt"),
        _number("last_status", nullable=True),
        _text("last_error", nullable=True),
        _moment("created_at"),
        _moment("updated_at"),
        _moment("delivered_at", nullable=True),
        *added,
        sa.CheckConstraint(f"stage IN ({stages})", name=op.f("ck_deliveries_stage")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_deliveries_account_id_accounts"),
        sa.ForeignKeyConstraint(["moderation_id"], ["moderations.id"], name="fk_deliveries_moderation_id_moderations"),
        *foreign,
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint(
            "moderation_id", "sequence", "event", "url", name="uq_deliveries_moderation_id_sequence_event_url"
        ),
        sa.Index("ix_deliveries_due", "stage", "due_at", "id", sqlite_where=sa.text(_DUE)),
        sa.Index("ix_deliveries_stage", "stage", "created_at"),
    )


def _make_attempts() -> None:
    op.create_table(
        "delivery_attempts",
        _uuid("id"),
        _uuid("delivery_id"),
        _number("attempt"),
        _document("request_headers"),
        _number("status", nullable=True),
        _document("response_headers", nullable=True),
        _text("response_body", nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        _text("error", nullable=True),
        _moment("created_at"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_delivery_attempts_delivery_id_deliveries"),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_attempts"),
    )
    op.create_index("ix_delivery_attempts_delivery", "delivery_attempts", ["delivery_id", "created_at"])
    op.create_index("ix_delivery_attempts_created_at", "delivery_attempts", ["created_at"])
