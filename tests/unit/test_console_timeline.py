"""Labels as lanes and hits."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from clipwarden.moderation import Status
from clipwarden.policy import Policy
from clipwarden.verdict import judge
from clipwarden_api.console import timeline
from clipwarden_api.console.timeline import Timeline
from fixtures.console import WINE, label


def draw(labels: list[dict[str, Any]], policy: str = "aws_rek_video", duration_ms: int | None = 12_000) -> Timeline:
    return timeline.draw(labels, Policy.parse(policy), taxonomy="7.0", duration_ms=duration_ms)


def test_looks_in_a_row_are_one_hit_and_echoes_are_none() -> None:
    lanes = draw(WINE).lanes
    assert [lane.path for lane in lanes] == [("Alcohol", "Alcoholic Beverages"), ("Rude Gestures",)]
    assert [(hit.start_ms, hit.end_ms, hit.confidence) for hit in lanes[0].hits] == [(4000, 5500, 85), (6000, 6500, 86)]
    assert [lane.over for lane in lanes] == [True, False]


def test_what_is_ignored_is_drawn_but_never_over() -> None:
    [lane, _] = sorted(draw(WINE, "aws_rek_video:alcohol:ignore").lanes, key=lambda lane: -lane.most)
    assert (lane.threshold, lane.over) == (None, False)


def test_nothing_ends_after_the_video() -> None:
    [lane] = draw([label(9800, "Violence", 90), label(9900, "Violence", 90)], duration_ms=9950).lanes
    assert [hit.end_ms for hit in lane.hits] == [9950]


def test_more_than_can_be_drawn_is_said() -> None:
    many = [label(at, "Violence", 60) for at in range(timeline.MOST_LABELS + 1)]
    assert not draw(many).whole
    assert draw(many[:-1]).whole


_CALLED = [("Alcohol", "", 1), ("Alcoholic Beverages", "Alcohol", 2), ("Violence", "", 1), ("Unheard Of", "", 1)]
_LABELS = some.lists(
    some.builds(
        lambda at, called, confidence: label(at * 500, called[0], confidence, called[1], called[2]),
        some.integers(0, 20),
        some.sampled_from(_CALLED),
        some.floats(0, 100),
    ),
    max_size=30,
)


@given(_LABELS)
def test_something_is_over_exactly_where_the_verdict_rejects(labels: list[dict[str, Any]]) -> None:
    found = sorted(labels, key=lambda one: one["Timestamp"])
    once = list({(one["Timestamp"], one["ModerationLabel"]["Name"]): one for one in found}.values())
    rejects = judge(once, Policy.parse("aws_rek_video"), "7.0").status is Status.REJECTED
    assert any(lane.over for lane in draw(once).lanes) == rejects
