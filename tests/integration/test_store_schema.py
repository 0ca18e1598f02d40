import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection, Engine

from clipwarden import errors
from clipwarden.moderation import Kind, Location, ResourceType, Stage, Status
from clipwarden.settings import CallbackSettings, DatabaseSettings
from clipwarden.store import (
    accounts,
    assets,
    cursor,
    deliveries,
    endpoint_states,
    leases,
    library,
    migrating,
    moderations,
    operations,
    past,
    pools,
    replays,
    schema,
    searching,
    stretches,
)
from clipwarden.store.engine import create_engine, read, write
from clipwarden_api.search import expression, sql
from clipwarden_workers import tasks
from records import START, asset


@pytest.fixture
def empty(empty_database: DatabaseSettings) -> Iterator[Engine]:
    engine = create_engine(empty_database)
    yield engine
    engine.dispose()


def test_migrations_lead_to_exactly_the_schema_of_the_code(engine: Engine) -> None:
    with read(engine) as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []


def test_migrations_lead_to_the_same_constraints_and_indexes_as_the_schema(empty: Engine) -> None:
    with write(empty) as conn:
        schema.metadata.create_all(conn)
        created = definitions(conn)
        schema.metadata.drop_all(conn)
    migrating.upgrade(empty)
    with read(empty) as conn:
        assert definitions(conn) == created


def test_an_upgrade_of_an_empty_database_and_back_leaves_nothing_behind(empty: Engine) -> None:
    migrating.upgrade(empty)
    migrating.require_usable(empty)
    with write(empty) as conn:
        command.downgrade(migrating.config(conn), "base")
    with read(empty) as conn:
        assert sa.inspect(conn).get_table_names() == ["alembic_version"]


def test_migrations_run_on_an_engine_as_well_as_on_a_connection(empty: Engine) -> None:
    command.upgrade(migrating.config(empty), "head")
    migrating.require_usable(empty)


def test_an_upgrade_that_is_not_needed_changes_nothing(engine: Engine) -> None:
    before = migrating.revision(engine)
    migrating.upgrade(engine)
    assert migrating.revision(engine) == before == "0025"


def test_tags_that_are_there_get_what_their_assets_are_sorted_by(empty: Engine) -> None:
    migrating.upgrade(empty)
    with write(empty) as conn:
        made = asset(conn)
        tagged = {"resource_type": "video", "created_at": made.created_at, "account_id": made.account_id}
        conn.execute(sa.insert(schema.asset_tags).values(asset_id=made.id, tag="t", **tagged))
        command.downgrade(migrating.config(conn), "0009")
    migrating.upgrade(empty)
    with read(empty) as conn:
        found = conn.execute(sa.select(schema.asset_tags)).mappings().one()
        assert dict(found) == {"asset_id": made.id, "tag": "t", **tagged}


UPGRADE = """
import sys
from clipwarden.settings import CallbackSettings, DatabaseSettings
from clipwarden.store import migrating
from clipwarden.store.engine import create_engine
migrating.upgrade(create_engine(DatabaseSettings(url=sys.argv[1])))
"""


def test_processes_that_upgrade_at_once_do_not_disturb_each_other(
    empty_database: DatabaseSettings, empty: Engine
) -> None:
    argv = [sys.executable, "-c", UPGRADE, empty_database.url.get_secret_value()]
    processes = [subprocess.Popen(argv) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    migrating.require_usable(empty)


def test_a_database_without_schema_is_refused_with_the_way_out(empty: Engine) -> None:
    assert migrating.revision(empty) is None
    with pytest.raises(errors.ConfigurationError, match="run `clipwarden migrate`"):
        migrating.require_usable(empty)


def test_a_schema_from_the_future_is_neither_used_nor_changed(engine: Engine) -> None:
    with write(engine) as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        conn.execute(sa.update(schema.schema_floor).values(revision="9998"))
    with pytest.raises(errors.ConfigurationError, match="9999"):
        migrating.require_usable(engine)
    with pytest.raises(errors.ConfigurationError, match="9999"):
        migrating.upgrade(engine)
    assert migrating.revision(engine) == "9999"


def test_a_word_that_no_enumeration_knows_is_refused(engine: Engine) -> None:
    with write(engine) as conn:
        id = asset(conn).id
    with pytest.raises(sa.exc.IntegrityError), write(engine) as conn:
        conn.execute(sa.update(schema.assets).where(schema.assets.c.id == id).values(placed="attic"))


def test_a_row_that_others_need_cannot_go(engine: Engine) -> None:
    with write(engine) as conn:
        asset(conn)
    with pytest.raises(sa.exc.IntegrityError), write(engine) as conn:
        conn.execute(sa.delete(schema.accounts))


RUNNING = (Stage.INTAKE, Stage.STARTING, Stage.ANALYSING, Stage.COLLECTING, Stage.JUDGING)
LATER = START + timedelta(minutes=1)
ACCOUNT, OTHER = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"
CURSOR = cursor.encode(LATER, ACCOUNT)
LIMITS = tasks.limits(CallbackSettings())
LEASE: dict[str, Any] = {"now": LATER, "until": LATER, "limit": 10}


def handed_out(conn: Connection) -> None:
    for state in endpoint_states.due(conn, now=LATER, limit=3):
        for first in endpoint_states.hand_out(conn, state, LIMITS, now=LATER, until=LATER, each=4):
            assert len(stretches.take(conn, first.id, fence=first.fence, until=LATER)) == 4
    assert stretches.recall(conn, now=LATER, limit=10) == 10


def listed(conn: Connection, **wanted: Any) -> library.Page:
    owner = accounts.by_id(conn, OTHER)
    assert owner is not None
    page = library.listed(conn, owner, resource_type=ResourceType.VIDEO, limit=5, **wanted)
    assert page.next_cursor is not None
    return library.listed(conn, owner, resource_type=ResourceType.VIDEO, limit=5, after=page.next_cursor, **wanted)


def verdicts(conn: Connection) -> None:
    owner = accounts.by_id(conn, OTHER)
    since = START - timedelta(seconds=400)
    node = expression.parse(f'moderation_status=rejected AND created_at>"{since.isoformat()}"')
    assert owner is not None
    assert node is not None
    order = [searching.Order(column=schema.assets.c.created_at, descending=True)]
    wanted: dict[str, Any] = {"hidden": True, "order": order, "question": "", "limit": 5}
    found = searching.search(conn, owner, sql.condition(node, LATER), after=None, **wanted)
    assert found.total == sum(stage_of(n)["status"] == "rejected" for n in range(400))
    assert found.next_cursor is not None
    rest = searching.search(conn, owner, sql.condition(node, LATER), after=found.next_cursor, **wanted)
    assert rest.total == found.total


@pytest.mark.parametrize(
    ("hot", "indexes"),
    [
        (lambda conn: leases.due(conn, schema.moderations, stages=RUNNING, **LEASE), {"ix_moderations_due"}),
        (lambda conn: leases.due(conn, schema.assets, **LEASE), {"ix_assets_due"}),
        (handed_out, {"ix_endpoint_states_due", "ix_deliveries_endpoint", "ix_deliveries_due"}),
        (
            lambda conn: replays.page(conn, replays.Search(account_id=ACCOUNT), limit=10),
            {"ix_deliveries_listing"},
        ),
        (lambda conn: replays.page(conn, replays.Search(), limit=10), {"ix_deliveries_newest"}),
        (
            lambda conn: replays.page(conn, replays.Search(account_id=OTHER, asset_id=uid(1, 9)), limit=10),
            {"ix_deliveries_asset"},
        ),
        (lambda conn: pools.in_use(conn, "pool"), {"ix_moderations_slots"}),
        (
            lambda conn: operations.pool_figures(conn, now=LATER),
            {"ix_moderations_slots", "ix_moderations_queued"},
        ),
        (
            lambda conn: pools.admit(conn, "pool", now=LATER, until=LATER),
            {"ix_moderations_slots", "ix_moderations_queued"},
        ),
        (
            lambda conn: moderations.hint(conn, "job", now=LATER, gap=timedelta(seconds=30)),
            {"ix_moderations_job"},
        ),
        (
            lambda conn: assets.brought_back(conn, Location(bucket="clips", key="a.mp4")),
            {"ix_assets_location"},
        ),
        (
            lambda conn: moderations.paid(conn, OTHER, "sha256:x", min_confidence=50, since=START),
            {"ix_moderations_labels"},
        ),
        (lambda conn: moderations.newest(conn, uid(1, 9)), {"ix_moderations_asset"}),
        (moderations.page, {"ix_moderations_newest"}),
        (
            lambda conn: moderations.page(conn, status=Status.REJECTED),
            {"ix_moderations_status"},
        ),
        (lambda conn: moderations.page(conn, account_id=ACCOUNT), {"ix_moderations_account"}),
        (
            lambda conn: moderations.page(
                conn,
                account_id=ACCOUNT,
                kind=Kind.AWS_REK_VIDEO,
                status=Status.REJECTED,
                after=CURSOR,
            ),
            {"ix_moderations_listing"},
        ),
        (listed, {"ix_assets_library"}),
        (lambda conn: listed(conn, prefix="39"), {"ix_assets_names"}),
        (lambda conn: listed(conn, tag="odd"), {"ix_asset_tags_tag"}),
        (verdicts, {"ix_assets_account", "ix_moderations_verdict"}),
        (lambda conn: past.page(conn, past.Search(), after=CURSOR, limit=50), {"ix_moderations_newest"}),
        (
            lambda conn: past.page(conn, past.Search(account_id=ACCOUNT), after=CURSOR, limit=50),
            {"ix_moderations_account"},
        ),
        (moderations.stages, {"ix_moderations_open"}),
        (lambda conn: moderations.accepted_since(conn, LATER), {"ix_moderations_newest"}),
        (lambda conn: moderations.ended_since(conn, LATER), {"ix_moderations_stage"}),
        (deliveries.counts, {"ix_deliveries_stage"}),
    ],
    ids=lambda value: "" if not isinstance(value, set) else "+".join(sorted(value)),
)
def test_a_hot_query_keeps_its_index(engine: Engine, hot: Any, indexes: set[str]) -> None:
    with write(engine) as conn:
        fill(conn)
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
            # No others: autovacuum never comes to a table of a few rows, and the planner guesses how many they are.
            conn.exec_driver_sql(f"VACUUM ANALYZE {', '.join(GROWN)}")
    with write(engine) as conn:
        plans = planned(conn, hot)
    used = "\n".join(plans)
    assert not [plan for plan in plans if scans(plan)], used
    assert set(re.findall(r"ix_\w+", used)) == indexes, used


#: More rows than fit into a few pages, nearly all of them queued or decided: what a backlog looks like.
ROWS = 4000

#: Tables that are never read as a whole.
GROWN = ("moderations", "assets", "deliveries", "endpoint_states")

WAITING_OR_RUNNING = ("queued", "analysing")


def fill(conn: Connection) -> None:
    """Make a backlog of one account: waiting and decided moderations, and one of each other stage."""
    given = {"created_at": START, "updated_at": START}
    fixed = {
        "api_secret": "s",
        "signature_algorithm": "sha1",
        "default_taxonomy": "6.1",
        "weight": 1.0,
        "created_at": START,
    }
    owners = [{"id": id, "name": id, "api_key": id, **fixed} for id in (ACCOUNT, OTHER)]
    conn.execute(sa.insert(schema.accounts), owners)
    pools.ensure(conn, "pool", 3, START)
    numbers = {"account_id": OTHER, "fence": 0, "faults": 0, **given}
    placed = {"wanted": "library", "placed": "library", "version": 1, "bucket": "b", **numbers}
    kinds = ("image", "video", "raw")
    rows = [
        {**placed, "id": uid(1, n), "public_id": str(n), "resource_type": kinds[n % 3], "due_at": None}
        for n in range(ROWS)
    ]
    for n, row in enumerate(rows):
        row["created_at"] = START - timedelta(seconds=n)
    rows[7]["due_at"] = LATER
    conn.execute(sa.insert(schema.assets), rows)
    tagged = {"account_id": OTHER, "resource_type": "video", "created_at": START}
    tags = [{"asset_id": uid(1, n), "tag": "odd" if n % 2 else "even", **tagged} for n in range(ROWS)]
    conn.execute(sa.insert(schema.asset_tags), tags)
    fixed = {
        "kind": "aws_rek_video",
        "policy": "p" * 100,
        "source": "s" * 100,
        "notification_urls": [],
        "priority": 0,
        **numbers,
    }
    fixed |= {"attempt": 0, "looks": 0, "decisions": 0}
    conn.execute(sa.insert(schema.moderations), [{**fixed, **stage_of(n)} for n in range(ROWS)])
    told = {"event": "e", "url": "u", "body": "b" * 1000, "fence": 0, "attempt": 0, "account_id": OTHER, **given}
    wakes = {"account_id": OTHER, "width": 5, "failures": 0, "trips": 0, **given}
    states = [{"id": uid(4, n), "origin": str(n), "due_at": START if n < 9 else None, **wakes} for n in range(ROWS)]
    conn.execute(sa.insert(schema.endpoint_states), states)
    told |= {"endpoint_state_id": uid(4, 0)}
    of = [{"moderation_id": uid(2, n), "asset_id": uid(1, n), "sequence": 1} for n in range(ROWS)]
    sent = [{"id": uid(3, n), **of[n], **told, **sending(n)} for n in range(ROWS)]
    conn.execute(sa.insert(schema.deliveries), sent)


def stage_of(n: int) -> dict[str, Any]:
    row = {"id": uid(2, n), "asset_id": uid(1, n), "status": "pending", "pool": "pool"}
    row["account_id"] = ACCOUNT if n % 40 < 2 else OTHER
    if n < len(Stage) * 2:
        stage = list(Stage)[n % len(Stage)]
        return {**row, "stage": stage, "due_at": START, "pool": "pool" if stage in WAITING_OR_RUNNING else None}
    if n % 2:
        return {**row, "stage": "decided", "due_at": None, "status": "rejected" if n % 50 == 1 else "approved"}
    return {**row, "stage": "queued", "due_at": START}


def sending(n: int) -> dict[str, Any]:
    return {"stage": "waiting", "due_at": START} if n % 200 == 0 else {"stage": "delivered", "due_at": None}


def uid(kind: int, n: int) -> str:
    return f"{kind:08x}-0000-7000-8000-{n:012x}"


def planned(conn: Connection, hot: Any) -> list[str]:
    """Run a function and return the plan of each statement that reads tables of any size."""
    plans: list[str] = []
    explain = "EXPLAIN QUERY PLAN " if conn.dialect.name == "sqlite" else "EXPLAIN "

    def note(*event: Any) -> None:
        _, database, statement, parameters, *_ = event
        if not statement.startswith("EXPLAIN") and "FROM pools" not in statement:
            database.execute(explain + statement, parameters)
            plans.append("\n".join(str(row) for row in database.fetchall()))

    sa.event.listen(conn, "before_cursor_execute", note)
    hot(conn)
    return plans


def scans(plan: str) -> bool:
    """Tell whether a plan reads all of a table that grows."""
    lines = [line for line in plan.splitlines() if "COVERING INDEX" not in line and "_newest" not in line]
    return any(f"{word} {table}" in line for line in lines for word in ("SCAN", "Seq Scan on") for table in GROWN)


def definitions(conn: Connection) -> set[tuple[str, ...]]:
    if conn.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
        rows = conn.exec_driver_sql(query).all()
        # SQLite writes a column that was added later behind all others, on the last one's line, and quotes new names.
        return {(name, *sorted(filter(None, re.split(r"[\s,()\"]+", sql)))) for name, sql in rows}
    query = """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname NOT LIKE 'alembic%'
        UNION ALL SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND indexname NOT LIKE 'alembic%'
    """
    return {tuple(row) for row in conn.exec_driver_sql(query.replace("%", "%%"))}


def test_the_sqlite_here_can_return_rows_from_updates() -> None:
    assert sqlite3.sqlite_version_info >= (3, 35)
