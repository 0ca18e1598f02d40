"""The pace of calls that AWS found too fast: halved, then growing evenly to the full rate."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from clipwarden.store.paces import RECOVERY, SLOWEST, pace
from records import START


def test_calls_that_were_never_too_fast_go_at_the_full_rate() -> None:
    assert pace(None, None, START) == 1


def test_a_pace_grows_evenly() -> None:
    assert [pace(0.5, START, START + share * RECOVERY) for share in (0, 0.25, 0.5, 9)] == [0.5, 0.75, 1, 1]


@given(
    slowed_to=st.floats(SLOWEST, 1),
    seconds=st.lists(st.floats(-10, 1000), min_size=2, max_size=2).map(sorted),
)
def test_a_pace_never_stops_calls_nor_shrinks_by_itself(slowed_to: float, seconds: list[float]) -> None:
    early, late = (pace(slowed_to, START, START + timedelta(seconds=second)) for second in seconds)
    assert 0 < slowed_to <= early <= late <= 1
