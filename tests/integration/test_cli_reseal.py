"""A key that seals secrets is replaced as the how-to says: by a command, while a gateway goes on answering."""

# mypy: allow-untyped-calls

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa
from cloudinary import uploader
from sqlalchemy import Engine

from clipwarden import errors, ids
from clipwarden.sealing import Seal, new_key
from clipwarden.settings import DatabaseSettings, Settings
from clipwarden.store import accounts, schema
from clipwarden.store.engine import create_engine, read, write
from fixtures.gateway import serving_gateway
from records import START

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
    return uploader.add_tag("tag", ["nothing"], resource_type="video", **cloud)


def keep_asking(url: str, ended: Event, each: Event) -> int:
    """Ask with one key after the other until somebody says that it is enough, and return how often that was."""
    count = 0
    while not ended.is_set():
        assert ask(url, count % KEYS) == {"public_ids": []}
        each.set()
        count += 1
    return count


def test_all_secrets_are_sealed_anew_while_a_gateway_answers(
    database: DatabaseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, old, new = database.url.get_secret_value(), new_key(), new_key()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")

    def engine(*keys: str) -> Engine:
        return create_engine(DatabaseSettings.model_validate({"url": url, "secret_keys": ",".join(keys)}))

    def settings(*keys: str) -> Settings:
        return Settings.model_validate(
            {
                "database": {"url": url, "secret_keys": ",".join(keys)},
                "redis": {"url": "redis://127.0.0.1:1/0"},
                "media": {"root": tmp_path / "media", "url_secret": "urls"},
                "rekognition": {"region": "us-east-1"},
            }
        )

    first, both, last = engine(old), engine(new, old), engine(new)
    fill(first)
    before = opened(first)
    assert all(any(secrets) for secrets in before.values())
    assert len(before) == 6
    with serving_gateway(settings(new, old)) as (address, _), ThreadPoolExecutor() as threads:
        ended, each = Event(), Event()
        asked = threads.submit(keep_asking, address, ended, each)
        try:
            assert each.wait(30)
            ran = reseal(url, new, old)
            each.clear()
            assert each.wait(30)  # Answered after it, too.
        finally:
            ended.set()
        assert asked.result() > 2
    assert (ran.returncode, json.loads(ran.stdout)) == (0, {"rows": KEYS + 2}), ran.stderr
    assert opened(last) == before
    assert all(text.startswith("sealed:") for text in stored(last))
    with pytest.raises(errors.ConfigurationError, match="SECRET_KEYS lacks"):
        opened(first)
    for text in stored(last):
        with pytest.raises(errors.ConfigurationError):
            Seal([old]).open(text)
    with serving_gateway(settings(new)) as (address, _):
        assert ask(address, 0) == {"public_ids": []}
    refused = reseal(url, old)
    assert (refused.returncode, "SECRET_KEYS lacks" in refused.stderr) == (1, True)
    for one in (first, both, last):
        one.dispose()
