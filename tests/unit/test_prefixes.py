"""The range of what begins with a text holds that, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from clipwarden.store import prefixes

# Few letters, so that texts often begin alike; the last two are the ends of what there is, beside the surrogates.
TEXTS = st.text(st.sampled_from("ab\ud7ff\ue000\U0010ffff"), max_size=4)


@given(prefix=TEXTS, text=TEXTS)
def test_a_text_is_in_the_range_exactly_if_it_begins_so(prefix: str, text: str) -> None:
    end = prefixes.after(prefix)
    assert (prefix <= text and (end is None or text < end)) == text.startswith(prefix)


@given(prefix=TEXTS)
def test_the_end_of_a_range_can_be_written(prefix: str) -> None:
    assert prefixes.after(prefix) is None or (prefixes.after(prefix) or "").encode()
