"""A view of bytes that are elsewhere reads as a file of them would, and fetches only what it needs."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden.media.part import limited
from clipwarden.media.ranged import Ranged

DATA = bytes(range(256)) * 4


@given(
    block=st.integers(1, 300),
    kept=st.integers(1, 4),
    size=st.integers(0, len(DATA)),
    moves=st.lists(st.tuples(st.sampled_from([io.SEEK_SET, io.SEEK_CUR, io.SEEK_END]), st.integers(-50, 1100))),
)
def test_it_reads_as_a_file_of_the_same_bytes(block: int, kept: int, size: int, moves: list[tuple[int, int]]) -> None:
    data = DATA[:size]
    view, file = Ranged(size, lambda start, end: data[start:end], block=block, kept=kept), io.BytesIO(data)
    for whence, offset in moves:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: file.tell(), io.SEEK_END: size}[whence]
        if base + offset < 0:
            with pytest.raises(ValueError, match="before the beginning"):
                view.seek(offset, whence)
            continue
        assert view.seek(offset, whence) == file.seek(offset, whence)
        part = view.read(70)
        assert file.read(len(part)) == part
        assert view.tell() == file.tell()
        assert part or file.tell() >= size


def test_only_the_blocks_that_are_read_are_fetched_and_the_latest_kept() -> None:
    fetched: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        fetched.append((start, end))
        return DATA[start:end]

    view = Ranged(1000, fetch, block=100, kept=2)
    for offset in (0, 50, 950, 10, 500, 20, 960):
        view.seek(offset)
        view.read(10)
    assert fetched == [(0, 100), (900, 1000), (500, 600), (900, 1000)]


@given(length=st.integers(0, 2000), chunk=st.integers(1, 700))
def test_the_beginning_of_a_stream_ends_where_it_should_and_closes_the_stream(length: int, chunk: int) -> None:
    whole = io.BytesIO(DATA)
    with limited(whole, length) as part:
        read = b"".join(iter(lambda: part.read(chunk), b""))
    assert read == DATA[:length]
    assert whole.closed
