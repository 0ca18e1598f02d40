"""An account's secrets are sealed in the database."""

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from clipwarden import errors, ids
from clipwarden.sealing import new_key
from clipwarden.settings import DatabaseSettings
from clipwarden.store import accounts, resealing, schema
from clipwarden.store.engine import create_engine, read, write
from records import START, account


def test_secrets_are_sealed_at_rest_and_open_to_whoever_has_the_key(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    sealed = create_engine(DatabaseSettings.model_validate({"url": url, "secret_keys": new_key()}))
    with write(sealed) as conn:
        made = accounts.ensure(conn, name="shop", api_key="k", api_secret="very secret", now=START)
        further = {"id": ids.new_id(), "account_id": made.id, "key": "k2", "secret": "another", "created_at": START}
        conn.execute(sa.insert(schema.api_keys).values(**further, enabled=True))
        stored = conn.exec_driver_sql("SELECT api_secret FROM accounts UNION SELECT secret FROM api_keys").scalars()
        assert all(text.startswith("sealed:") and "secret" not in text for text in stored)
    with read(sealed) as conn:
        assert accounts.by_key(conn, "k") == (made, "very secret")
        assert accounts.by_key(conn, "k2") == (made, "another")
        assert accounts.by_key(conn, "k3") is None
    sealed.dispose()


def test_a_key_that_is_switched_off_opens_nothing(engine: Engine) -> None:
    with write(engine) as conn:
        owner = account(conn)
        values = {"id": ids.new_id(), "account_id": owner.id, "key": "k2", "secret": "s", "created_at": START}
        conn.execute(sa.insert(schema.api_keys).values(**values, enabled=False))
        assert accounts.by_key(conn, "k2") is None


def test_a_key_can_be_given_up_once_all_is_sealed_anew(engine: Engine) -> None:
    url, old, new = engine.url.render_as_string(hide_password=False), new_key(), new_key()

    made_here: list[Engine] = []

    def opened(*keys: str) -> Engine:
        made_here.append(create_engine(DatabaseSettings.model_validate({"url": url, "secret_keys": ",".join(keys)})))
        return made_here[-1]

    with write(opened(old)) as conn:
        made = accounts.ensure(conn, name="shop", api_key="k", api_secret="very secret", now=START)
        further = {"id": ids.new_id(), "account_id": made.id, "key": "k2", "secret": "another", "created_at": START}
        conn.execute(sa.insert(schema.api_keys).values(**further, enabled=True))
    assert resealing.reseal(opened(new, old)) == 2
    with read(opened(new)) as conn:
        assert accounts.by_key(conn, "k") == (made, "very secret")
        assert accounts.by_key(conn, "k2") == (made, "another")
    with pytest.raises(errors.ConfigurationError, match="SECRET_KEYS lacks"):
        resealing.reseal(opened(old))
    for one in made_here:
        one.dispose()
