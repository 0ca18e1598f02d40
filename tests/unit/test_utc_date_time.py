from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from clipwarden.store.schema import UtcDateTime

#: A day away from either end, so that every one of them has a neighbour in every zone.
MOMENTS = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001 - the zone is drawn beside it
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001 - the zone is drawn beside it
    timezones=st.integers(min_value=-14 * 60, max_value=14 * 60).map(
        lambda minutes: timezone(timedelta(minutes=minutes))
    ),
)

table = sa.Table("moments", sa.MetaData(), sa.Column("at", UtcDateTime))


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as opened:
        table.create(opened)
        yield opened
    engine.dispose()


@given(moment=MOMENTS)
def test_an_instant_comes_back_in_utc_to_the_microsecond(connection: Connection, moment: datetime) -> None:
    back = connection.execute(sa.insert(table).values(at=moment).returning(table.c.at)).scalar_one()
    assert back == moment
    assert back is not None
    assert back.tzinfo is UTC


@given(first=MOMENTS, second=MOMENTS)
def test_what_sqlite_keeps_sorts_as_the_instants_do(connection: Connection, first: datetime, second: datetime) -> None:
    earlier = sa.literal(first, UtcDateTime()) < sa.literal(second, UtcDateTime())
    assert bool(connection.execute(sa.select(earlier)).scalar_one()) == (first < second)


def test_a_time_without_a_zone_is_refused(connection: Connection) -> None:
    with pytest.raises(sa.exc.StatementError, match="without a zone"):
        connection.execute(sa.insert(table).values(at=datetime(2026, 3, 1)))  # noqa: DTZ001 - the fault under test


def test_no_time_stays_no_time(connection: Connection) -> None:
    assert connection.execute(sa.insert(table).values(at=None).returning(table.c.at)).scalar_one() is None
