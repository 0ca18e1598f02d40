"""Of the labels that are kept, a policy gets those that a job for it would have reported."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipwarden import errors, labels
from sightings import label

CONFIDENCES = st.floats(0, 100, width=32)


@settings(deadline=None)
@given(st.lists(CONFIDENCES, max_size=20), CONFIDENCES)
def test_all_labels_of_the_confidence_that_is_needed_or_more_are_passed_on_in_their_order(
    confidences: list[float], needed: float
) -> None:
    kept: list[dict[str, Any]] = [
        label("Alcohol", "", confidence, number) for number, confidence in enumerate(confidences)
    ]
    passed = list(labels.sure(kept, needed))
    assert passed == [each for each in kept if not each["ModerationLabel"]["Confidence"] < needed]


def test_what_is_no_label_is_not_passed_over() -> None:
    with pytest.raises(errors.ResultsUnreadable):
        list(labels.sure([{"Timestamp": 0}], 50))
