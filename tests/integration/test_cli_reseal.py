"""A key that seals secrets is replaced as the how-to says: by a command, while a gateway goes on answering."""

# mypy: allow-untyped-calls

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa
from cloudinary import uploader
from pydantic import SecretStr
from sqlalchemy import Engine

from clipwarden import errors, ids
from clipwarden.sealing import Seal, new_key
from clipwarden.settings import DatabaseSettings, Settings
from clipwarden.store import accounts, schema
from clipwarden.store.engine import create_engine, read, write
from fixtures.gateway import serving_gateway
from records import START
from waiting import eventually

#: Further keys of the account: more rows than are held at once.
KEYS = 1201


def sealed_columns() -> list[sa.Column[str]]:
    return [
        column
        for table in schema.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, schema.Sealed)
    ]


def fill(engine: Engine) -> None:
    """Keep a secret of every kind, those that are being replaced among them."""
    with write(engine) as conn:
        shop = accounts.ensure(conn, name="shop", api_key="key", api_secret="secret", now=START)
        conn.execute(
            sa.update(schema.accounts).values(
                webhook_secret="whsec_new", webhook_secret_before="whsec_old", webhook_secret_until=START
            )
        )
        further = [
            {
                "id": ids.new_id(),
                "account_id": shop.id,
                "key": f"k{number}",
                "secret": f"s{number}",
                "created_at": START,
            }
            for number in range(KEYS)
        ]
        conn.execute(sa.insert(schema.api_keys), further)
        own = {"secret": "whsec_own", "secret_before": "whsec_own_old", "secret_until": START}
        told = {"url": "https://shop.example/in", "event_type": "all", "created_at": START, "updated_at": START}
        conn.execute(sa.insert(schema.endpoints).values(id=ids.new_id(), account_id=shop.id, **own, **told))


def opened(engine: Engine) -> dict[str, list[str | None]]:
    """Return all secrets by their columns."""
    with read(engine) as conn:
        return {
            str(column): list(conn.execute(sa.select(column).order_by(column.table.c.id)).scalars())
            for column in sealed_columns()
        }


def stored(engine: Engine) -> list[str]:
    """Return all secrets as the database has them."""
    with read(engine) as conn:
        as_text = [sa.select(sa.type_coerce(column, sa.Text)).where(column.is_not(None)) for column in sealed_columns()]
        return [text for one in as_text for text in conn.execute(one).scalars()]


def reseal(database: str, *keys: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "CLIPWARDEN_DATABASE__URL": database,
        "CLIPWARDEN_DATABASE__SECRET_KEYS": ",".join(keys),
    }
    command = [sys.executable, "-m", "clipwarden.cli", "reseal", "--json"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def ask(url: str, number: int) -> Any:
    """Send a request that is signed with one of the account's secrets."""
    cloud = {"cloud_name": "shop", "api_key": f"k{number}", "api_secret": f"s{number}", "upload_prefix": url}
    return uploader.add_tag("tag", ["nothing"], resource_type="video", **cloud)["public_ids"]


def keep_asking(url: str, ended: Event, answers: list[Any]) -> None:
    """Ask with one key after the other until somebody says that it is enough; raises for what is refused."""
    while not ended.is_set():
        answers.append(ask(url, len(answers) % KEYS))


@pytest.fixture
def engine(database: DatabaseSettings) -> Iterator[Callable[[str], Engine]]:
    """Give what makes an engine with one key."""
    made: list[Engine] = []

    def with_key(key: str) -> Engine:
        made.append(create_engine(database.model_copy(update={"secret_keys": (SecretStr(key),)})))
        return made[-1]

    yield with_key
    for one in made:
        one.dispose()


def test_all_secrets_are_sealed_anew_while_a_gateway_answers(
    database: DatabaseSettings, engine: Callable[[str], Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, old, new = database.url.get_secret_value(), new_key(), new_key()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")

    def settings(*keys: str) -> Settings:
        return Settings.model_validate(
            {
                "database": {"url": url, "secret_keys": ",".join(keys)},
                "redis": {"url": "redis://127.0.0.1:1/0"},
                "media": {"root": tmp_path / "media", "url_secret": "urls"},
                "rekognition": {"region": "us-east-1"},
            }
        )

    first, last = engine(old), engine(new)
    fill(first)
    before = opened(first)
    assert all(any(secrets) for secrets in before.values())
    assert len(before) == 6
    with serving_gateway(settings(new, old)) as (address, _), ThreadPoolExecutor() as threads:
        ended, answers = Event(), list[Any]()
        asking = threads.submit(keep_asking, address, ended, answers)
        try:
            eventually(lambda: answers or asking.done())
            ran = reseal(url, new, old)
            meanwhile = len(answers)
            eventually(lambda: len(answers) > meanwhile + 1 or asking.done())  # Answered after it, too.
        finally:
            ended.set()
        asking.result()
    assert answers == [[]] * len(answers)
    assert (ran.returncode, json.loads(ran.stdout)) == (0, {"rows": KEYS + 2}), ran.stderr
    assert opened(last) == before
    assert all(text.startswith("sealed:") for text in stored(last))
    with pytest.raises(errors.ConfigurationError, match="SECRET_KEYS lacks"):
        opened(first)
    for text in stored(last):
        with pytest.raises(errors.ConfigurationError):
            Seal([old]).open(text)
    with serving_gateway(settings(new)) as (address, _):
        assert ask(address, 0) == []
    refused = reseal(url, old)
    assert (refused.returncode, "SECRET_KEYS lacks" in refused.stderr) == (1, True)
