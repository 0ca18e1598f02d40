"""Pages of the library follow each other without a gap, by time or by name, on every database."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Connection, Engine

from clipwarden import errors
from clipwarden.media.store import Stored
from clipwarden.moderation import Account, Asset, Location, ResourceType
from clipwarden.store import accounts, cursor, library
from clipwarden.store.engine import read, write
from records import START

NAMES = ("a", "a/b", "A/b", "a_b", "a%b", "ab", "é", "a\U0010ffff", "b", "Z")
VIDEO = ResourceType.VIDEO
ID = "00000000-0000-7000-8000-000000000001"


@pytest.fixture
def account(engine: Engine) -> Account:
    with write(engine) as conn:
        return accounts.ensure(conn, name="a", api_key="k", api_secret="s", now=START)


@pytest.fixture
def assets(engine: Engine, account: Account) -> list[Asset]:
    """Put in some assets, many of them within one microsecond, and some of them a second time after a deletion."""
    rng = random.Random(3)
    with write(engine) as conn:
        made = {name: put(conn, account, name, rng) for name in (f"{one}{n}" for one in NAMES for n in range(4))}
        for name in rng.sample(sorted(made), 8):
            library.delete(conn, made[name], now=START)
            made[name] = put(conn, account, name, rng)
    return list(made.values())


def put(conn: Connection, account: Account, public_id: str, rng: random.Random) -> Asset:
    now = START + timedelta(seconds=rng.randrange(5))
    name = library.Name(resource_type=VIDEO, type=rng.choice(["upload", "private"]), public_id=public_id)
    stored = Stored(location=Location(bucket="b", key="k"), bytes=1, etag="e")
    asset, _ = library.store(
        conn,
        account.id,
        name,
        library.Bytes(stored=stored, fingerprint=None, facts=None, format=None, ours=True, md5=None),
        now=now,
    )
    return library.describe(conn, asset, now=now, tags=rng.sample(["x", "X", "y"], 2))


def walked(conn: Connection, account: Account, **wanted: Any) -> Iterator[str]:
    after = None
    while True:
        page = library.listed(conn, account, resource_type=VIDEO, limit=3, after=after, **wanted)
        yield from (one.id for one in page.items)
        if (after := page.next_cursor) is None:
            return


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("tag", [None, "x", "X", "none"])
def test_assets_are_listed_by_the_time_they_came_in(
    engine: Engine, account: Account, assets: list[Asset], tag: str | None, *, newest_first: bool
) -> None:
    for type in (None, "private"):
        expected = [one for one in assets if (tag is None or tag in one.tags) and type in (None, one.type)]
        expected.sort(key=lambda one: (one.created_at, one.id), reverse=newest_first)
        with read(engine) as conn:
            found = list(walked(conn, account, tag=tag, type=type, newest_first=newest_first))
        assert found == [one.id for one in expected]


@pytest.mark.parametrize("prefix", ["", "a", "a/", "A", "a_", "a%", "a\U0010ffff", "\U0010ffff", "é", "none"])
def test_assets_that_begin_alike_are_listed_by_their_names(
    engine: Engine, account: Account, assets: list[Asset], prefix: str
) -> None:
    expected = sorted((one.public_id, one.id) for one in assets if one.public_id.startswith(prefix))
    with read(engine) as conn:
        assert list(walked(conn, account, prefix=prefix)) == [id for _, id in expected]


@pytest.mark.parametrize("text", [cursor.encode(START, ID), ".", ".AAAA", ".é", ". "])
def test_a_cursor_of_another_order_is_refused(engine: Engine, account: Account, text: str) -> None:
    with read(engine) as conn, pytest.raises(errors.Conflict, match="cursor"):
        library.listed(conn, account, resource_type=VIDEO, prefix="a", limit=3, after=text)
    named = cursor.encode("a", ID)
    with read(engine) as conn, pytest.raises(errors.Conflict, match="cursor"):
        library.listed(conn, account, resource_type=VIDEO, limit=3, after=named)
