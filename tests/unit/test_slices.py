"""A file is cut into parts without a gap, and only those that came whole count."""

from hypothesis import given
from hypothesis import strategies as st

from clipwarden.media.store import LAST_PART, Part
from clipwarden_api.v1.slices import Slices

CUT = st.builds(Slices, bytes=st.integers(1, 5000), part_bytes=st.integers(1, 1000))


@given(CUT)
def test_parts_are_of_one_size_but_for_the_last_and_are_the_whole_file(slices: Slices) -> None:
    sizes = [slices.size(number) for number in range(1, slices.count + 1)]
    assert sum(sizes) == slices.bytes
    assert set(sizes[:-1]) <= {slices.part_bytes}
    assert 1 <= sizes[-1] <= slices.part_bytes


@given(CUT, st.dictionaries(st.integers(1, 6000), st.integers(0, 1200), max_size=50))
def test_a_part_is_whole_missing_or_too_large_by_what_has_come(slices: Slices, came: dict[int, int]) -> None:
    arrived = [Part(number=number, bytes=size, etag="e") for number, size in came.items()]
    whole, missing = slices.whole(arrived), slices.missing(arrived)
    assert sorted([*whole, *missing]) == list(range(1, slices.count + 1))
    assert all(one.bytes == slices.size(number) for number, one in whole.items())
    assert [number for number in missing if number > 3] == slices.missing(arrived, after=3)
    assert not set(slices.excess(arrived)) & set(whole)
    assert all(number > slices.count or came[number] > slices.size(number) for number in slices.excess(arrived))


def test_there_are_as_many_parts_as_a_store_takes() -> None:
    assert Slices(bytes=5 * LAST_PART, part_bytes=5).possible
    assert not Slices(bytes=5 * LAST_PART + 1, part_bytes=5).possible
