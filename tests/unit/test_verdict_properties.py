"""What holds of every verdict, whatever the labels and the policy."""

import json
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clipwarden.moderation import Status
from clipwarden.policy import Policy
from clipwarden.taxonomy import Taxonomy, taxonomy_for
from clipwarden.verdict import Judge, judge
from fuzzing import tried
from moments import CONFIDENCES, LEVELS, SETTINGS, TAXONOMY, flat, moments, written
from sightings import label, policy

QUICK = tried(0.4)


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
    assert json.loads(json.dumps(verdict.to_dict(), allow_nan=False)) == verdict.to_dict()


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
