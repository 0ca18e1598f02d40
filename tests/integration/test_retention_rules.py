"""Each setting has its things forgotten that are past their time, those alone, and goes on while there are more."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

import records
from clipwarden import ids, metrics
from clipwarden.moderation import Asset, DeliveryStage, Placement, Scope, Stage, Status
from clipwarden.settings import DatabaseSettings, Settings
from clipwarden.store import deliveries, schema
from clipwarden.store.engine import read, write
from clipwarden_workers import retention
from clipwarden_workers import services as worker_services
from clipwarden_workers.retention import Retention
from clipwarden_workers.services import Services
from waiting import eventually

RULES = {
    "CLIPWARDEN_CALLBACK__ATTEMPTS_KEPT": "attempts",
    "CLIPWARDEN_RETENTION__DELIVERIES": "deliveries",
    "CLIPWARDEN_RETENTION__LABELS": "labels",
    "CLIPWARDEN_RETENTION__REJECTED": "rejected",
    "CLIPWARDEN_RETENTION__DELETED": "deleted",
}
SCOPES = {"labels": Scope.LABELS, "rejected": Scope.BYTES, "deleted": Scope.ASSET}
#: How old things are of which one is past the hour that a setting keeps them.
AGES = {"old": timedelta(hours=2), "young": timedelta(minutes=30)}


@pytest.fixture
def services(database: DatabaseSettings, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Services]:
    """Give a worker's services; ``request`` names the one setting that keeps things for an hour."""
    environment = pytest.MonkeyPatch()
    environment.setenv("CLIPWARDEN_DATABASE__URL", database.url.get_secret_value())
    environment.setenv("CLIPWARDEN_REDIS__URL", "redis://127.0.0.1:1/0")
    environment.setenv("CLIPWARDEN_MEDIA__ROOT", str(tmp_path / "media"))
    environment.setenv("CLIPWARDEN_REKOGNITION__REGION", "us-east-1")
    environment.setenv(request.param, "3600")
    built = worker_services.build(Settings())
    environment.undo()
    yield built
    built.close()


def _labelled(conn: Connection, asset: Asset, then: datetime) -> None:
    made = records.moderation(conn, asset, stage=Stage.DECIDED, status=Status.APPROVED, due_at=None, now=then)
    one = sa.update(schema.moderations).where(schema.moderations.c.id == made.id)
    conn.execute(one.values(labels_key=f"labels/{made.id}/1.jsonl.gz", attempt=1))


def _changed(conn: Connection, name: str, **values: object) -> None:
    asset = records.asset(conn, public_id=name)
    conn.execute(sa.update(schema.assets).where(schema.assets.c.id == asset.id).values(**values))


def _told(conn: Connection, event: str, then: datetime) -> str:
    """Keep a callback that has been delivered."""
    made, account = ids.new_id(), records.account(conn)
    told = {"event": event, "sequence": 1, "url": "https://shop.example/in", "body": "{}"}
    deliveries.add(conn, id=made, account_id=account.id, due_at=then, now=then, **told)  # type: ignore[arg-type]
    row = schema.deliveries.c.id == made
    conn.execute(sa.update(schema.deliveries).where(row).values(stage=DeliveryStage.DELIVERED, due_at=None))
    return made


def _fill(services: Services) -> None:
    """Keep an old and a young one of everything."""
    now = services.clock.now()
    quarantined = {"wanted": Placement.QUARANTINE, "placed": Placement.QUARANTINE, "bucket": "b", "key": "k"}
    with write(services.engine) as conn:
        recent = _told(conn, "attempted", now)
        for age, past in AGES.items():
            then = now - past
            _labelled(conn, records.asset(conn, public_id=f"labels {age}"), then)
            _changed(conn, f"rejected {age}", **quarantined, updated_at=then)
            _changed(conn, f"deleted {age}", deleted_at=then)
            _told(conn, f"deliveries {age}", then)
            attempt = {"id": ids.new_id(), "delivery_id": recent, "attempt": 1, "request_headers": {}, "seconds": 0.1}
            told = {"response_body": f"attempts {age}", "created_at": then}
            conn.execute(sa.insert(schema.delivery_attempts).values(**attempt, **told))


def _forgotten(services: Services) -> set[str]:
    """Return what is there no more, or asked to be erased."""
    a, e = schema.assets.c, schema.erasures.c
    of = {str(scope): what for what, scope in SCOPES.items()}
    everything = {f"{what} {age}" for what in ("attempts", "deliveries") for age in AGES}
    with read(services.engine) as conn:
        left = {*conn.execute(sa.select(schema.deliveries.c.event)).scalars()}
        left |= {*conn.execute(sa.select(schema.delivery_attempts.c.response_body)).scalars()}
        asked = conn.execute(sa.select(e.scope, a.public_id, a.id).join_from(schema.erasures, schema.assets)).all()
    named = {f"{of[row.scope]} {'old' if 'erased?' in row.public_id else row.public_id.split()[-1]}" for row in asked}
    return (everything - left) | named


def _counted() -> dict[str, float]:
    return {what: metrics.FORGOTTEN.labels(what)._value.get() for what in RULES.values()}


@pytest.mark.parametrize(("services", "what"), RULES.items(), indirect=["services"])
def test_a_setting_has_its_own_things_forgotten(services: Services, what: str) -> None:
    _fill(services)
    before = _counted()
    worker = Retention(services)
    worker.look()
    assert _forgotten(services) == {f"{what} old"}
    assert {name: count - before[name] for name, count in _counted().items() if count != before[name]} == {what: 1}
    worker.look()  # It is not time to.
    assert _forgotten(services) == {f"{what} old"}


@pytest.mark.parametrize("services", ["CLIPWARDEN_RETENTION__LABELS"], indirect=True)
def test_it_goes_on_at_once_while_there_is_more(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    with write(services.engine) as conn:
        then = services.clock.now() - AGES["old"]
        for number in range(3):
            _labelled(conn, records.asset(conn, public_id="many"), then + timedelta(seconds=number))
        _labelled(conn, records.asset(conn, public_id="another"), then + timedelta(seconds=9))
    worker = Retention(services)

    def asked() -> int:
        worker.look()
        with read(services.engine) as conn:
            return len(conn.execute(sa.select(schema.erasures.c.id)).all())

    eventually(lambda: asked() == 2)
