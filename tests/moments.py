"""Draws labels as Rekognition reports them, and policies to judge them by."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from clipwarden.policy import Policy
from clipwarden.taxonomy import SLUGS, TAXONOMIES, Taxonomy
from sightings import label, policy

CONFIDENCES = st.sampled_from([0.0, 29.9, 30.0, 50.0, 50.1, 80.0, 80.00000762939453, 100.0]) | st.floats(
    0, 100, width=32
)
LEVELS = ["ignore", "1.0", "0.9", "0.8", "0.5", "0.3", "0.0"]  # From the mildest to the strictest.
STRANGERS = [
    ("Cosplay", "Suggestive"),
    ("Absinthe", "Spirits"),
    ("Spirits", "Alcohol"),
    ("Spirits", "Violence"),
    ("Dance", ""),
    ("A", "A"),
]
SETTINGS = st.dictionaries(st.sampled_from(SLUGS), st.sampled_from(LEVELS), max_size=6)
TAXONOMY = st.sampled_from(TAXONOMIES)


@st.composite
def moments(draw: st.DrawFn, taxonomy: Taxonomy, start: int = 0) -> list[list[dict[str, Any]]]:
    """Draw labels as Rekognition reports them, moment by moment: categories with their ancestors, and strangers."""
    called = [(category.name, category.parent) for category in taxonomy.categories] + STRANGERS
    drawn = draw(st.lists(st.lists(st.tuples(st.sampled_from(called), CONFIDENCES), max_size=6), max_size=4))
    found = []
    for number, group in enumerate(drawn):
        labels = []
        for (name, parent), confidence in group:
            labels.append(label(name, parent, confidence, start + number * 500))
            at = taxonomy.find(name, parent)
            while at is not None and (at := taxonomy.above(at)) is not None:
                labels.append(label(at.name, at.parent, confidence, start + number * 500))
        found.append(labels)
    return found


def flat(groups: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the labels of all moments."""
    return [each for group in groups for each in group]


def written(chosen: dict[str, str]) -> Policy:
    """Return the policy with these settings."""
    return policy(":".join(f"{slug}:{threshold}" for slug, threshold in chosen.items()))
