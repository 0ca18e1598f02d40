"""The text form of outcomes, and the script that foresees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clipwarden_local.analysis.outcome import Analysis, Failure, Observation, Outcome, VideoMetadata, decode, encode
from clipwarden_local.analysis.scripted import Script

TEXT = st.text(max_size=20)
OUTCOMES = st.one_of(
    st.builds(Failure, status_message=TEXT),
    st.builds(
        Analysis,
        observations=st.lists(
            st.builds(
                Observation,
                timestamp_ms=st.integers(0, 10**7),
                path=st.lists(TEXT, min_size=1, max_size=3).map(tuple),
                confidence=st.floats(0, 100),
            ),
            max_size=5,
        ).map(tuple),
        metadata=st.builds(VideoMetadata, frame_rate=st.floats(1, 240), duration_ms=st.integers(0, 10**8)),
        model_version=TEXT,
        sample_ms=st.integers(1, 10_000),
    ),
)


@given(OUTCOMES)
def test_an_outcome_comes_back_from_its_text_unchanged_on_one_line(outcome: Outcome) -> None:
    text = encode(outcome)
    assert "\n" not in text
    assert decode(text) == outcome


def test_an_empty_script_is_a_clean_video_at_once() -> None:
    foreseen = Script().foreseen()
    assert isinstance(foreseen.outcome, Analysis)
    assert foreseen.outcome.observations == ()
    assert (foreseen.seconds, foreseen.completions, foreseen.page_size) == (0.0, 1, None)


@pytest.mark.parametrize(
    "wrong", [{"labels": [{"path": []}]}, {"seconds": -1}, {"completions": -1}, {"page_size": 0}, {"second": 1}]
)
def test_a_script_with_a_mistake_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Script.model_validate(wrong)
