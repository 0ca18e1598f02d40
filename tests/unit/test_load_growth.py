"""What counts as growing, of a gauge that is read again and again."""

from collections.abc import Sequence

import pytest

from load.gauges import Sample
from load.growth import Growth, growths
from load.run import Plan

_MEMORY = ("worker 1", "memory_mb")


def _growth(values: Sequence[float], gauge: tuple[str, str] = _MEMORY) -> Growth:
    """Return the growth of one gauge that was read every 36 seconds."""
    [found] = growths([Sample(at=36.0 * number, values={gauge: value}) for number, value in enumerate(values)])
    return found


def test_what_stays_as_it_is_does_not_grow() -> None:
    assert not _growth([100.0] * 50).grows


def test_a_little_for_each_video_is_growth() -> None:
    assert _growth([100 + number / 3 for number in range(50)]).grows


def test_what_is_made_once_in_the_beginning_is_no_growth() -> None:
    assert not _growth([20.0] * 9 + [100.0] * 41).grows


def test_a_moment_high_above_the_others_is_no_growth() -> None:
    assert not _growth([100.0] * 47 + [900.0] * 3).grows


def test_what_goes_away_again_is_no_growth() -> None:
    assert not _growth([100.0] * 20 + [900.0] * 20 + [100.0] * 10).grows


def test_growth_is_told_by_the_hour() -> None:
    assert _growth([float(number) for number in range(100)]).per_hour == pytest.approx(100)


@pytest.mark.parametrize("what", ["threads", "sockets", "files", "connections", "keys", "count"])
def test_one_leak_in_fifty_videos_is_growth(what: str) -> None:
    half_an_hour_at_two_a_second = [10 + number * 36 * 2 / 50 for number in range(50)]
    assert _growth(half_an_hour_at_two_a_second, ("worker 1", what)).grows


def test_a_bus_that_fills_for_a_while_is_told_apart_from_growth() -> None:
    filled = _growth([1.6] * 40 + [20.0] + [1.6] * 9, ("redis server", "used_mb"))
    assert filled.swells
    assert not filled.grows
    assert not _growth([1.6] * 40 + [12.0] + [1.6] * 9, ("redis server", "used_mb")).swells


def test_only_a_steady_load_of_some_minutes_may_not_grow() -> None:
    assert Plan(videos=600, rate=2).steady
    assert not Plan(videos=20, rate=2).steady
    assert not Plan(videos=10_000).steady
