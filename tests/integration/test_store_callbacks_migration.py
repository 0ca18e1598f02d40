"""Callbacks that waited when the schema was upgraded, and triggers that were kept, are there afterwards and back."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from alembic import command
from sqlalchemy.engine import Connection, Engine

from clipwarden.moderation import DeliveryStage
from clipwarden.settings import CallbackSettings, DatabaseSettings
from clipwarden.store import deliveries, endpoint_states, endpoints, migrating
from clipwarden.store.engine import create_engine, write
from clipwarden_workers import tasks
from records import START, at

OWNER = "00000000-0000-7000-8000-000000000001"


@pytest.fixture
def old(empty_database: DatabaseSettings) -> Iterator[Engine]:
    """Give a database of the release before, with callbacks that wait, one that has arrived, and a trigger."""
    engine = create_engine(empty_database)
    with write(engine) as conn:
        command.upgrade(migrating.config(conn), "0006")
        fill(conn)
    yield engine
    engine.dispose()


def fill(conn: Connection) -> None:
    sqlite = conn.dialect.name == "sqlite"

    def put(table: str, **values: Any) -> None:
        given = {name: plain(value) if sqlite else value for name, value in values.items()}
        conn.exec_driver_sql(
            f"INSERT INTO {table} ({', '.join(given)}) VALUES ({', '.join('?' if sqlite else '%s' for _ in given)})",
            tuple(given.values()),
        )

    made = {"created_at": START, "updated_at": START}
    put("accounts", id=OWNER, name="a", api_key="k", api_secret="s", signature_algorithm="sha1",
        default_taxonomy="6.1", weight=1.0, created_at=START)  # fmt: skip
    owned = {"account_id": OWNER, **made}
    put("assets", id=uid(2), public_id="p", version=1, wanted="library", placed="library", fence=0, faults=0, **owned)
    put("moderations", id=uid(3), asset_id=uid(2), kind="aws_rek_video", policy="p", source="s",
        notification_urls="[]", priority=0, stage="decided", status="approved", fence=0, faults=0, attempt=1, looks=0,
        decisions=1, **owned)  # fmt: skip
    for number, url in enumerate(["https://a.example/x", "https://A.example:443/y", "http://b.example/", "http://["]):
        put("deliveries", id=uid(10 + number), moderation_id=uid(3), event="moderation", sequence=1, url=url, body="{}",
            stage="waiting", due_at=at(10 - number), fence=0, attempt=0, **owned)  # fmt: skip
    put("deliveries", id=uid(20), moderation_id=uid(3), event="moderation", sequence=1, url="http://c.example/",
        body="{}", stage="delivered", fence=0, attempt=1, **owned)  # fmt: skip
    put("triggers", id=uid(30), uri="https://t.example/", event_type="all", **owned)


def plain(value: Any) -> Any:
    """Return a value as SQLite keeps it."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    return value.replace("-", "") if isinstance(value, str) and value.count("-") == 4 else value


def uid(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012x}"


def test_what_waited_is_handed_out_and_what_was_kept_is_told(old: Engine) -> None:
    migrating.upgrade(old)
    limits = tasks.limits(CallbackSettings())
    with write(old) as conn:
        states = endpoint_states.of_account(conn, OWNER)
        assert {(one.origin, one.due_at) for one in states} == {
            ("https://a.example:443", at(9)),
            ("http://b.example:80", at(8)),
            ("unreadable", at(7)),
            ("http://c.example:80", None),
        }
        for state in endpoint_states.due(conn, now=at(60), limit=10):
            assert len(endpoint_states.hand_out(conn, state, limits, now=at(60), until=at(90))) == 1
        assert {one.stage: one.count for one in deliveries.counts(conn)}[DeliveryStage.SENDING] == 3
        assert [(one.url, one.event_type, one.enabled) for one in endpoints.of_account(conn, OWNER)] == [
            ("https://t.example/", "all", True)
        ]


def test_a_downgrade_brings_back_what_the_release_before_knows(old: Engine) -> None:
    migrating.upgrade(old)
    with write(old) as conn:
        command.downgrade(migrating.config(conn), "0006")
        assert conn.exec_driver_sql("SELECT count(*) FROM deliveries WHERE stage = 'waiting'").scalar_one() == 4
        assert conn.exec_driver_sql("SELECT uri, event_type FROM triggers").all() == [("https://t.example/", "all")]
