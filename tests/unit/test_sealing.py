"""Secrets at rest are sealed, and keys can be replaced one after the other."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden import errors
from clipwarden.sealing import Seal, key_beside, new_key

OLD, NEW = new_key(), new_key()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_closed_opens_and_does_not_show(secret: str) -> None:
    closed = Seal([NEW]).close(secret)
    assert Seal([NEW]).open(closed) == secret
    assert len(secret) < 4 or secret not in closed


def test_a_new_key_takes_over_while_the_old_one_still_opens() -> None:
    kept = Seal([OLD]).close("s")
    both = Seal([NEW, OLD])
    assert both.open(kept) == "s"
    assert Seal([NEW]).open(both.close("s")) == "s"


@pytest.mark.parametrize("keys", [[], [OLD]])
def test_without_its_key_a_secret_stays_closed(keys: list[str]) -> None:
    with pytest.raises(errors.ConfigurationError, match="SECRET_KEYS"):
        Seal(keys).open(Seal([NEW]).close("s"))


def test_what_was_stored_before_there_were_keys_is_read() -> None:
    assert Seal([NEW]).open("plain") == "plain"


def test_a_key_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        Seal(["hunter2"])
    assert "hunter2" not in str(caught.value)


def test_of_many_that_make_the_key_at_once_all_get_the_same_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    database = tmp_path / "clipwarden.db"
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: key_beside(database), range(32)))
    assert len(keys) == 1
    [made] = tmp_path.iterdir()
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
