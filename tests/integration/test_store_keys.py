"""An account's keys are added, switched off and replaced without a moment in which programs are locked out."""

import pytest
from sqlalchemy import Engine

from clipwarden import errors
from clipwarden.moderation import Account
from clipwarden.store import accounts, keys
from clipwarden.store.engine import read, write
from records import START, account


@pytest.fixture
def owner(engine: Engine) -> Account:
    with write(engine) as conn:
        made = account(conn)
        keys.add(conn, made, "new", "new secret", now=START)
    return made


def opened(engine: Engine, key: str) -> str | None:
    with read(engine) as conn:
        found = accounts.by_key(conn, key)
    return found[1] if found is not None else None


def renewed(engine: Engine, owner: Account) -> Account:
    with read(engine) as conn:
        found = accounts.by_id(conn, owner.id)
    assert found is not None
    return found


def test_a_key_opens_until_it_is_switched_off(engine: Engine, owner: Account) -> None:
    assert opened(engine, "new") == "new secret"
    with write(engine) as conn:
        keys.switch(conn, owner, "new", enabled=False)
    assert opened(engine, "new") is None
    with write(engine) as conn:
        keys.switch(conn, owner, "new", enabled=True)
    assert opened(engine, "new") == "new secret"
    with write(engine) as conn:
        keys.delete(conn, owner, "new")
    assert opened(engine, "new") is None


def test_a_promoted_key_signs_and_the_one_before_still_opens(engine: Engine, owner: Account) -> None:
    with write(engine) as conn:
        keys.promote(conn, owner, "new", now=START)
    with write(engine) as conn:
        keys.promote(conn, renewed(engine, owner), "new", now=START)
    after = renewed(engine, owner)
    assert (after.api_key, after.api_secret) == ("new", "new secret")
    assert opened(engine, owner.api_key) == owner.api_secret
    with read(engine) as conn:
        assert [(one.key, one.own, one.enabled) for one in keys.every(conn, after)] == [
            ("new", True, True),
            (owner.api_key, False, True),
        ]


def test_the_accounts_own_key_stays(engine: Engine, owner: Account) -> None:
    with write(engine) as conn:
        for change in (keys.delete, lambda *given: keys.switch(*given, enabled=False)):
            with pytest.raises(errors.Conflict, match="promote another"):
                change(conn, owner, owner.api_key)
        keys.switch(conn, owner, "new", enabled=False)
        with pytest.raises(errors.Conflict, match="enable it first"):
            keys.promote(conn, owner, "new", now=START)


def test_keys_are_the_accounts_alone(engine: Engine, owner: Account) -> None:
    with write(engine) as conn:
        other = accounts.ensure(conn, name="other", api_key="others", api_secret="s", now=START)
        for call in (keys.delete, lambda *given: keys.switch(*given, enabled=False)):
            with pytest.raises(errors.NotFound):
                call(conn, other, "new")
        with pytest.raises(errors.NotFound):
            keys.promote(conn, other, "new", now=START)
        for taken in (owner.api_key, "new", "others"):
            with pytest.raises(errors.Conflict, match="in use"):
                keys.add(conn, other, taken, "s", now=START)
