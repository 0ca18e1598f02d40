"""From scores to labels."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clipwarden_local.analysis.mapping import Scores, observations
from clipwarden_local.analysis.outcome import Observation, with_parents

NAMES = st.sampled_from(["A", "B", "C"])
SEEN = st.builds(
    Observation,
    timestamp_ms=st.integers(0, 2000).map(lambda at: at // 500 * 500),
    path=st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    confidence=st.floats(0, 100),
)


def scores(at: int = 0, *, views: dict[int, float] | None = None, **values: Any) -> Scores:
    probabilities = np.zeros((2, 1000), dtype=np.float32)
    for index, probability in (views or {}).items():
        probabilities[1, index] = probability
    return Scores(timestamp_ms=at, views=probabilities, **({"opennsfw": 0.0, "nsfw": 0.0, "nsfl": 0.0} | values))


def labels(*samples: Scores, height: int = 720) -> dict[tuple[str, ...], float]:
    return {one.path: round(one.confidence, 2) for one in observations(samples, frame_height=height)}


def test_similar_classes_are_summed() -> None:
    seen = labels(scores(views={966: 0.5, 907: 0.3, 440: 0.05, 1: 0.1}))
    assert seen == {("Alcohol",): 85.0, ("Alcohol", "Alcoholic Beverages"): 85.0}


def test_the_surer_view_counts_and_views_are_not_added_up() -> None:
    sample = scores(views={847: 0.7})
    sample.views[0, 763] = 0.6
    assert labels(sample)["Violence", "Weapons"] == 70.0


def test_a_third_level_brings_both_levels_above_it() -> None:
    assert list(labels(scores(views={720: 0.9}))) == [
        ("Drugs & Tobacco", "Products", "Pills"),
        ("Drugs & Tobacco", "Products"),
        ("Drugs & Tobacco",),
    ]


def test_false_friends_and_noise_are_no_labels() -> None:
    assert labels(scores(views={499: 0.99, 657: 0.99, 744: 0.99, 777: 0.99, 966: 0.05})) == {}


def test_one_model_alone_does_not_make_a_picture_explicit() -> None:
    assert labels(scores(opennsfw=0.95, nsfw=0.04)) != {}
    assert ("Explicit",) not in labels(scores(opennsfw=0.95, nsfw=0.04))
    assert labels(scores(opennsfw=0.32, nsfw=0.05)) == {}
    assert labels(scores(opennsfw=0.9, nsfw=0.8)) == {("Explicit",): 85.0, ("Explicit", "Explicit Nudity"): 85.0}


def test_graphic_violence_needs_two_samples_in_a_row_and_a_picture_of_some_height() -> None:
    lone = (scores(0, nsfl=0.9), scores(500), scores(1000, nsfl=0.9))
    lasting = (scores(0), scores(500, nsfl=0.6), scores(1000, nsfl=0.9))
    assert labels(*lone) == {}
    assert labels(*lasting, height=239) == {}
    assert labels(*lasting, height=240) == {("Violence", "Graphic Violence"): 90.0, ("Violence",): 90.0}
    moments = {one.timestamp_ms for one in observations(lasting, frame_height=240)}
    assert moments == {500, 1000}


@given(st.lists(SEEN, max_size=30))
def test_every_parent_is_there_and_as_sure_as_its_surest_descendant(seen: list[Observation]) -> None:
    full = with_parents(seen)
    sure = {(one.timestamp_ms, one.path): one.confidence for one in full}
    assert len(sure) == len(full)
    for one in seen:
        assert sure[one.timestamp_ms, one.path] >= min(one.confidence, 99.99)
    for (at, path), confidence in sure.items():
        below = [
            c for (when, other), c in sure.items() if when == at and len(other) == len(path) + 1 and other[:-1] == path
        ]
        assert all(confidence >= c for c in below)
        if len(path) > 1:
            assert (at, path[:-1]) in sure
        assert confidence <= 99.99
    order = [(one.timestamp_ms, -len(one.path)) for one in full]
    assert order == sorted(order)


def test_boxes_of_bodies_count_only_where_the_whole_picture_agrees() -> None:
    parts = {"FEMALE_BREAST_EXPOSED": 0.75}
    assert labels(scores(opennsfw=0.38, nsfw=0.05, parts=parts)) == {}
    assert labels(scores(opennsfw=0.6, nsfw=0.6, parts=parts)) == {
        ("Explicit", "Explicit Nudity", "Exposed Female Nipple"): 88.5,
        ("Explicit", "Explicit Nudity"): 88.5,
        ("Explicit",): 88.5,
    }


def test_covered_parts_are_swimwear_only_beside_bare_skin() -> None:
    swimwear = ("Swimwear or Underwear", "Female Swimwear or Underwear")
    covered, faint = {"FEMALE_BREAST_COVERED": 0.65}, {"FEMALE_BREAST_COVERED": 0.65, "ARMPITS_EXPOSED": 0.2}
    assert swimwear not in labels(scores(nsfw=0.8, parts=covered))
    assert swimwear not in labels(scores(nsfw=0.8, parts=faint))
    assert labels(scores(nsfw=0.8, parts=covered | {"ARMPITS_EXPOSED": 0.3}))[swimwear] == 80.0
    assert swimwear not in labels(scores(nsfw=0.8, parts={"FACE_FEMALE": 0.9, "BELLY_EXPOSED": 0.9}))
