"""What holds of every verdict, whatever the labels and the policy."""

import json
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clipwarden.moderation import Status
from clipwarden.policy import Policy
from clipwarden.taxonomy import SLUGS, TAXONOMIES, Taxonomy, taxonomy_for
from clipwarden.verdict import Judge, Verdict, judge
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
QUICK = settings(deadline=None, max_examples=40)


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
    return [each for group in groups for each in group]


def written(chosen: dict[str, str]) -> Policy:
    return policy(":".join(f"{slug}:{threshold}" for slug, threshold in chosen.items()))


def cut(labels: list[dict[str, Any]], at: Sequence[int]) -> Iterator[list[dict[str, Any]]]:
    start = 0
    for end in sorted({position % (len(labels) + 1) for position in at}):
        yield labels[start:end]
        start = end
    yield labels[start:]


@QUICK
@given(st.data(), TAXONOMY, SETTINGS, st.lists(st.integers(0, 100), max_size=4))
def test_page_by_page_gives_the_same_as_all_at_once(
    data: st.DataObject, taxonomy: Taxonomy, chosen: dict[str, str], at: list[int]
) -> None:
    labels = flat(data.draw(moments(taxonomy)))
    version = data.draw(st.sampled_from([taxonomy.version, None]))
    judging = Judge(written(chosen), version)
    for page in cut(labels, at):
        judging.feed(page)
    assert judging.verdict() == judge(labels, written(chosen), version)
    assert judging.verdict() == judging.verdict()


@QUICK
@given(st.data(), TAXONOMY, SETTINGS)
def test_the_order_within_a_moment_does_not_matter(
    data: st.DataObject, taxonomy: Taxonomy, chosen: dict[str, str]
) -> None:
    groups = data.draw(moments(taxonomy))
    shuffled = [data.draw(st.permutations(group)) for group in groups]
    first, second = (judge(flat(each), written(chosen), taxonomy.version).to_dict() for each in (groups, shuffled))
    assert first == second


@QUICK
@given(st.data(), TAXONOMY, SETTINGS)
def test_lowering_a_threshold_never_approves_what_was_rejected(
    data: st.DataObject, taxonomy: Taxonomy, chosen: dict[str, str]
) -> None:
    stricter = {
        slug: data.draw(st.sampled_from(LEVELS[LEVELS.index(threshold) :])) for slug, threshold in chosen.items()
    }
    labels = flat(data.draw(moments(taxonomy)))
    if judge(labels, written(chosen), taxonomy.version).status is Status.REJECTED:
        assert judge(labels, written(stricter), taxonomy.version).status is Status.REJECTED


@QUICK
@given(st.data(), TAXONOMY, SETTINGS)
def test_labels_at_other_moments_never_approve_what_was_rejected(
    data: st.DataObject, taxonomy: Taxonomy, chosen: dict[str, str]
) -> None:
    labels = flat(data.draw(moments(taxonomy)))
    more = flat(data.draw(moments(taxonomy, start=60_000)))
    before = judge(labels, written(chosen), taxonomy.version)
    after = judge([*labels, *more], written(chosen), taxonomy.version)
    assert after.offences >= before.offences
    if before.status is Status.REJECTED:
        assert after.status is Status.REJECTED


@QUICK
@given(st.data(), TAXONOMY, st.sampled_from(["6.1", "7.0"]))
def test_with_every_category_ignored_no_known_label_rejects(
    data: st.DataObject, taxonomy: Taxonomy, wrote: str
) -> None:
    roots = taxonomy_for(wrote).roots
    everything = Policy.parse(
        f"aws_rek_video:{':'.join(f'{root.slug}:ignore' for root in roots)}", default_taxonomy=wrote
    )
    known = {(category.name, category.parent) for category in taxonomy.categories}
    labels = [
        each
        for each in flat(data.draw(moments(taxonomy)))
        if (each["ModerationLabel"]["Name"], each["ModerationLabel"]["ParentName"]) in known
    ]
    assert judge(labels, everything, taxonomy.version).status is Status.APPROVED


@QUICK
@given(st.data(), TAXONOMY, CONFIDENCES)
def test_no_echo_ever_undoes_an_ignore(data: st.DataObject, taxonomy: Taxonomy, confidence: float) -> None:
    leaf = data.draw(st.sampled_from([each for each in taxonomy.categories if not taxonomy.children(each)]))
    ignoring = Policy.parse(f"aws_rek_video:{leaf.slug}:ignore", default_taxonomy=taxonomy.version)
    labels = []
    at: Any = leaf
    while at is not None:
        labels.append(label(at.name, at.parent, confidence))
        at = taxonomy.above(at)
    if ignoring.rule_for(leaf).ignored:
        assert judge(labels, ignoring, taxonomy.version).status is Status.APPROVED


@QUICK
@given(st.data(), TAXONOMY, SETTINGS)
def test_labels_out_of_order_are_judged_no_milder(
    data: st.DataObject, taxonomy: Taxonomy, chosen: dict[str, str]
) -> None:
    labels = flat(data.draw(moments(taxonomy)))
    known = [
        each for each in labels if taxonomy.find(each["ModerationLabel"]["Name"], each["ModerationLabel"]["ParentName"])
    ]
    disordered = data.draw(st.permutations(known))
    if judge(known, written(chosen), taxonomy.version).status is Status.REJECTED:
        assert judge(disordered, written(chosen), taxonomy.version).status is Status.REJECTED


@QUICK
@given(st.data(), TAXONOMY, SETTINGS)
def test_a_verdict_survives_being_stored_as_json(
    data: st.DataObject, taxonomy: Taxonomy, chosen: dict[str, str]
) -> None:
    verdict = judge(flat(data.draw(moments(taxonomy))), written(chosen), taxonomy.version)
    stored = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert Verdict.from_dict(stored).to_dict() == verdict.to_dict()
    assert Verdict.from_dict(stored).reasons == verdict.reasons


@QUICK
@given(st.data(), TAXONOMY, SETTINGS)
def test_approved_means_no_reason_and_rejected_means_one(
    data: st.DataObject, taxonomy: Taxonomy, chosen: dict[str, str]
) -> None:
    verdict = judge(flat(data.draw(moments(taxonomy))), written(chosen), taxonomy.version)
    assert (verdict.status is Status.REJECTED) == bool(verdict.reasons) == (verdict.offences > 0)
    assert all(reason.confidence > reason.threshold * 100 - 1e-9 for reason in verdict.reasons)


def test_memory_does_not_grow_with_the_number_of_labels() -> None:
    judging = Judge(policy("suggestive:0.9"), None)
    judging.feed(_stream(0, 5_000))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    judging.feed(_stream(5_000, 25_000))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 200_000
    assert judging.verdict().label_count == 25_000


def _stream(start: int, end: int) -> Iterator[dict[str, Any]]:
    return (label(f"New {n}", "Unknown", 60.0, n) for n in range(start, end))
