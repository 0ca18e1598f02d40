"""A large library: assets of one account with tags and verdicts, in the database as fast as it takes rows.

What came in over a hundred days: four videos in five, one in twenty rejected and one in a hundred waiting, ten tags and
a hundred folders, all by chance and alike in all other things.
"""

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bench import workload
from clipwarden import ids
from clipwarden.moderation import Placement, ResourceType, Stage, Status
from clipwarden.store import schema
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import write
from clipwarden_local.stack import Stack

TAGS, FOLDERS = 10, 100
_SPAN = timedelta(days=100)
_REJECTED, _WAITING, _VIDEOS = 0.05, 0.01, 0.8
_BATCH = 10_000
_TABLES = (schema.assets, schema.asset_tags, schema.moderations)

_Rows = tuple[dict[str, Any], ...]


def load(stack: Stack, engine: sa.Engine, count: int) -> None:
    """Put so many assets, each with a tag and a moderation, into the stack's account, and let the database count."""
    with write(engine) as conn:
        asset, moderation = workload.pattern(
            conn, DatabaseClock(engine), stack.settings().media.bucket, stack.options.account
        )
    made = _made(asset, moderation, count)
    if engine.dialect.name == "postgresql":
        _copy(engine, made)
        return
    while batch := list(itertools.islice(made, _BATCH)):
        with write(engine) as conn:
            for table, rows in _by_table(batch):
                columns = _filled(table, rows)
                conn.execute(sa.insert(table), [{name: row[name] for name in columns} for row in rows])


def _copy(engine: sa.Engine, made: Iterator[_Rows]) -> None:
    """Copy the rows in, and sort them into the indexes all at once thereafter, which takes a fraction of the time."""
    indexes = [index for table in _TABLES for index in sorted(table.indexes, key=lambda one: str(one.name))]
    with write(engine) as conn:
        for index in indexes:
            index.drop(conn)
    while batch := list(itertools.islice(made, _BATCH)):
        with write(engine) as conn:
            # The rows are made to fit each other; looking up each foreign key takes as long as all else.
            conn.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for table, rows in _by_table(batch):
                _put(conn, table, rows)
    with write(engine) as conn:
        conn.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        for index in indexes:
            index.create(conn)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        conn.exec_driver_sql("VACUUM ANALYZE")


def _by_table(batch: Sequence[_Rows]) -> Iterator[tuple[sa.Table, _Rows]]:
    return zip(_TABLES, zip(*batch, strict=True), strict=True)


def _made(asset: dict[str, Any], moderation: dict[str, Any], count: int) -> Iterator[_Rows]:
    rng, begin = random.Random(1), asset["created_at"] - _SPAN
    for number in range(count):
        moment = begin + _SPAN * (number / count)
        yield _one(rng, asset, moderation, number, {"created_at": moment, "updated_at": moment})


def _one(
    rng: random.Random, asset: dict[str, Any], moderation: dict[str, Any], number: int, moments: dict[str, Any]
) -> _Rows:
    kind = ResourceType.VIDEO if rng.random() < _VIDEOS else ResourceType.IMAGE
    tag, drawn, id = f"tag {rng.randrange(TAGS)}", rng.random(), ids.new_id()
    rejected, waiting = drawn < _REJECTED, _REJECTED <= drawn < _REJECTED + _WAITING
    own = {"resource_type": kind, "tags": [tag], "public_id": f"folder {rng.randrange(FOLDERS):02}/{number:07}"}
    wanted = Placement.QUARANTINE if rejected else Placement.LIBRARY
    status = Status.REJECTED if rejected else Status.PENDING if waiting else Status.APPROVED
    stage = Stage.QUEUED if waiting else Stage.DECIDED
    return (
        {**asset, **moments, **own, "id": id, "wanted": wanted, "placed": wanted},
        {"asset_id": id, "tag": tag, "account_id": asset["account_id"], "resource_type": kind, **moments},
        {**moderation, **moments, "id": ids.new_id(), "asset_id": id, "status": status, "stage": stage, "due_at": None},
    )


def _put(conn: Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    columns = _filled(table, rows)
    cursor: Any = conn.connection.cursor()
    names = ", ".join(f'"{name}"' for name in columns)
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([_plain(row[name]) for name in columns])


def _filled(table: sa.Table, rows: Sequence[dict[str, Any]]) -> list[str]:
    return [column.name for column in table.columns if rows[0].get(column.name) is not None]


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else str(value) if isinstance(value, str) else value
