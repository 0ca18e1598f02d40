"""From jobs that ended between two looks it is learned when to look at the next ones."""

import math
import random
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipwarden.job_times import JobTimes

AGES = st.floats(min_value=0, max_value=1000, allow_nan=False)
JOBS = st.lists(st.tuples(AGES, AGES).map(sorted), min_size=1, max_size=8)


def learned(jobs: list[list[float]], *, length: float = 60) -> JobTimes:
    known = JobTimes.first(*jobs[0], length=length)
    for after, until in jobs[1:]:
        known = known.learned(after, until, length=length)
    return known


def looks_and_lateness(known: JobTimes, end: float, *, price: float) -> tuple[int, float]:
    """Return how many looks a job costs that ends at this age, and how late its end is found."""
    looks, age = 0, 0.0
    while looks == 0 or age < end:
        age, looks = known.next_look(age, price=price), looks + 1
    return looks, age - end


@settings(deadline=None)
@given(JOBS)
def test_the_weights_are_shares_whatever_was_seen(jobs: list[list[float]]) -> None:
    known = learned(jobs)
    assert all(weight >= 0 for weight in known.weights)
    assert sum(known.weights) == pytest.approx(1, abs=1e-4)
    assert JobTimes.of(asdict(known)) == known


@settings(deadline=None)
@given(JOBS, AGES, st.floats(min_value=1e-4, max_value=1e4))
def test_the_next_look_is_later_than_now(jobs: list[list[float]], age: float, price: float) -> None:
    assert learned(jobs).next_look(age, price=price) >= age


@settings(deadline=None)
@given(JOBS, AGES, st.floats(min_value=1e-4, max_value=1e3))
def test_the_dearer_a_look_the_later_is_the_next(jobs: list[list[float]], age: float, price: float) -> None:
    known = learned(jobs)
    assert known.next_look(age, price=price) <= known.next_look(age, price=2 * price)


@settings(deadline=None)
@given(JOBS, st.floats(min_value=1.3, max_value=100))
def test_fewer_looks_are_dearer(jobs: list[list[float]], looks: float) -> None:
    known = learned(jobs)
    assert known.price_of(looks) > known.price_of(2 * looks)


def test_what_other_classes_counted_is_no_knowledge() -> None:
    assert JobTimes.of(None) is None
    assert JobTimes.of({"weights": [1.0], "seconds": 1.0}) is None


def test_where_all_jobs_end_is_found_however_roughly_each_was_seen() -> None:
    chance = random.Random(7)
    known = JobTimes.first(0.1, 0.9, length=60)
    for _ in range(1000):
        end = chance.uniform(0.2, 0.6)
        known = known.learned(math.floor(end * 10) / 10, math.ceil(end * 10) / 10, length=60)
    assert known.mean == pytest.approx(0.4, rel=0.1)
    assert known.seconds == pytest.approx(24, rel=0.1)
    assert 0.2 < known.next_look(0, price=0.01) < 0.4


def test_a_price_buys_as_many_looks_as_it_says_and_the_ends_are_found_that_much_earlier() -> None:
    chance = random.Random(7)
    ends = [chance.uniform(0.2, 0.6) for _ in range(1000)]
    known = learned([[end, end] for end in ends])
    for wanted in (3, 6):
        found = [looks_and_lateness(known, end, price=known.price_of(wanted)) for end in ends]
        assert sum(looks for looks, _ in found) / len(found) == pytest.approx(wanted, rel=0.2)
        # At best, looks that are evenly spaced over 0.4 find an end half an interval late.
        assert sum(late for _, late in found) / len(found) < 1.3 * 0.4 / (2 * wanted - 1) / 2
