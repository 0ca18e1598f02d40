"""Verdicts follow the product rules: strictly greater, through descendants, page by page, never approved by mishap."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clipwarden.errors import PermanentError, ResultsUnreadable
from clipwarden.moderation import Status
from clipwarden.policy import Policy
from clipwarden.taxonomy import TAXONOMIES, V7, taxonomy_for
from clipwarden.verdict import LISTED_CATEGORIES, SHOWN_LABELS, judge
from sightings import label, policy

SAMPLES = json.loads((Path(__file__).parents[1] / "data" / "response_samples.json").read_text(encoding="utf-8"))[
    "samples"
]


def status(setting: str, labels: Sequence[dict[str, Any]], version: str | None = "6.1") -> Status:
    return judge(labels, policy(setting), version).status


def echo(confidence: float, timestamp_ms: int = 0) -> list[dict[str, Any]]:
    return [
        label("Revealing Clothes", "Suggestive", confidence, timestamp_ms),
        label("Suggestive", "", confidence, timestamp_ms),
    ]


def test_no_labels_are_an_approval() -> None:
    verdict = judge([], policy(), "7.0")
    assert (verdict.status, verdict.reasons, verdict.maxima, verdict.label_count) == (Status.APPROVED, (), (), 0)


@pytest.mark.parametrize(
    ("setting", "confidence", "expected"),
    [
        ("", 50.0, Status.APPROVED),
        ("", 50.00000000000001, Status.REJECTED),
        ("violence:0.07", 7.0, Status.APPROVED),
        ("violence:0.07", 7.000000000000001, Status.REJECTED),
        ("violence:0.3", 30.000001907348633, Status.REJECTED),
        ("violence:0.583", 58.3, Status.APPROVED),
        ("violence:0.9415", 94.15, Status.APPROVED),
        ("violence:0.0", 0.0, Status.APPROVED),
        ("violence:0.0", 0.0003000000142492354, Status.REJECTED),
        ("violence:1.0", 100.0, Status.APPROVED),
        ("violence:1.0", 100, Status.APPROVED),
        ("violence:ignore", 100.0, Status.APPROVED),
    ],
)
def test_only_a_confidence_strictly_greater_than_the_threshold_rejects(
    setting: str, confidence: float, expected: Status
) -> None:
    assert status(setting, [label("Violence", "", confidence)]) is expected


def test_an_ignored_child_is_not_brought_back_by_its_echo_on_the_parent() -> None:
    assert status("revealing_clothes:ignore", echo(95.0)) is Status.APPROVED
    assert status("", echo(95.0)) is Status.REJECTED


def test_a_milder_child_is_not_brought_back_by_its_echo_on_the_parent() -> None:
    assert status("suggestive:0.5:revealing_clothes:0.9", echo(80.0)) is Status.APPROVED
    assert status("suggestive:0.5:revealing_clothes:0.9", echo(91.0)) is Status.REJECTED


def test_a_stricter_child_rejects_although_its_parent_would_not() -> None:
    reasons = judge(echo(46.18149948120117), policy("revealing_clothes:0.30"), "5.0").reasons
    assert [(reason.label, reason.threshold) for reason in reasons] == [("Revealing Clothes", 0.3)]


def test_a_parent_above_all_that_is_reported_below_it_is_evidence_in_its_own_right() -> None:
    labels = [label("Revealing Clothes", "Suggestive", 60.0), label("Suggestive", "", 80.0)]
    assert status("revealing_clothes:ignore", labels) is Status.REJECTED


def test_a_parent_alone_at_its_moment_is_evidence_in_its_own_right() -> None:
    labels = [*echo(95.0, 0), label("Suggestive", "", 80.0, 500)]
    verdict = judge(labels, policy("revealing_clothes:ignore"), "6.1")
    assert verdict.status is Status.REJECTED
    assert [(reason.path, reason.timestamp_ms) for reason in verdict.reasons] == [(("Suggestive",), 500)]


def test_a_moment_that_comes_back_is_judged_apart_and_explains_nothing() -> None:
    child, parent = echo(95.0, 0)
    between = label("Suggestive", "", 80.0, 500)
    verdict = judge([between, child, parent], policy("revealing_clothes:ignore"), "6.1")
    assert [(reason.timestamp_ms, reason.confidence) for reason in verdict.reasons] == [(500, 80.0)]
    assert status("revealing_clothes:ignore", [child, between, parent]) is Status.REJECTED


def test_a_parent_is_explained_by_its_highest_child_and_judged_through_all() -> None:
    labels = [
        label("Revealing Clothes", "Suggestive", 95.0),
        label("Barechested Male", "Suggestive", 60.0),
        label("Suggestive", "", 95.0),
    ]
    verdict = judge(labels, policy("revealing_clothes:ignore"), "6.1")
    assert [reason.label for reason in verdict.reasons] == ["Barechested Male"]
    assert status("revealing_clothes:ignore:barechested_male:0.7", labels) is Status.APPROVED


def test_three_levels_are_judged_through_the_lowest() -> None:
    labels = [
        label("Smoking", "Drugs & Tobacco Paraphernalia & Use", 99.4, level=3),
        label("Drugs & Tobacco Paraphernalia & Use", "Drugs & Tobacco", 99.4, level=2),
        label("Drugs & Tobacco", "", 99.4, level=1),
    ]
    assert status("smoking:ignore:explicit:0.5", labels, "7.0") is Status.APPROVED
    assert status("tobacco:ignore", labels, "7.0") is Status.APPROVED
    assert status("drugs:ignore", labels, "7.0") is Status.REJECTED
    # The root is above its grandchild, though its child is not reported.
    assert status("smoking:ignore:explicit:0.5", [labels[0], labels[2]], "7.0") is Status.APPROVED


def test_gambling_explains_gambling() -> None:
    labels = [label("Gambling", "Gambling", 80.0), label("Gambling", "", 80.0)]
    verdict = judge(labels, policy(), "6.1")
    assert [reason.path for reason in verdict.reasons] == [("Gambling", "Gambling")]
    assert len(verdict.maxima) == 2


def test_names_are_compared_whatever_their_case() -> None:
    labels = [label("REVEALING clothes", "suggestive", 95.0), label("suggestive", "", 95.0)]
    assert status("revealing_clothes:ignore", labels) is Status.APPROVED


def test_a_policy_in_old_names_judges_the_results_of_the_new_model_and_the_reverse() -> None:
    new = [label("Female Swimwear or Underwear", "Swimwear or Underwear", 90.0, level=2)]
    assert status("suggestive:ignore", new, "7.0") is Status.APPROVED
    assert judge(new, policy("suggestive:0.82"), "7.0").reasons[0].origin == "carried over from 6.1 suggestive"
    assert status("explicit:ignore", [label("Nudity", "Explicit Nudity", 90.0)], "6.1") is Status.APPROVED


def test_an_unknown_label_takes_the_rule_of_its_parent() -> None:
    stray = [label("Cosplay", "Suggestive", 60.0)]
    reason = judge(stray, policy("suggestive:0.55"), "6.1").reasons[0]
    assert (reason.path, reason.origin) == (("Suggestive", "Cosplay"), "inherited from suggestive")
    assert status("suggestive:ignore", stray) is Status.APPROVED
    assert status("suggestive:0.6", stray) is Status.APPROVED


def test_an_unknown_label_without_a_known_parent_takes_the_default() -> None:
    everything = ":".join(f"{category.slug}:ignore" for category in V7.roots)
    for parent in ("", "Also Unknown"):
        assert status(everything, [label("Dance", parent, 50.1)], "7.0") is Status.REJECTED
        assert status(everything, [label("Dance", parent, 50.0)], "7.0") is Status.APPROVED


def test_an_unknown_label_is_followed_through_unknown_parents_of_its_moment() -> None:
    chain = [label("Absinthe", "Spirits", 90.0), label("Spirits", "Alcohol", 90.0), label("Alcohol", "", 90.0)]
    assert status("alcohol:ignore", chain, "7.0") is Status.APPROVED
    verdict = judge(chain, policy("alcohol:0.8"), "7.0")
    assert [reason.path for reason in verdict.reasons] == [("Alcohol", "Spirits", "Absinthe")]


def test_what_an_unknown_parent_belongs_to_is_not_remembered_beyond_its_moment() -> None:
    chain = [label("Absinthe", "Spirits", 90.0), label("Spirits", "Alcohol", 90.0), label("Alcohol", "", 90.0)]
    verdict = judge([*chain, label("Absinthe", "Spirits", 90.0, 500)], policy("alcohol:ignore"), "7.0")
    assert [(reason.timestamp_ms, reason.origin) for reason in verdict.reasons] == [(500, "default")]


def test_an_unknown_parent_of_which_two_things_are_said_is_always_read_the_same_way() -> None:
    said = [label("Absinthe", "Spirits", 60.0), label("Spirits", "Alcohol", 60.0), label("Spirits", "Violence", 60.0)]
    forth, back = (judge(order, policy("alcohol:0.3:violence:0.7"), "7.0") for order in (said, said[::-1]))
    assert forth.to_dict() == back.to_dict()
    assert ("Alcohol", "Spirits", "Absinthe") in [reason.path for reason in forth.reasons]


def test_unknown_labels_that_name_each_other_as_parents_are_judged_by_the_default() -> None:
    circle = [label("A", "B", 60.0), label("B", "A", 60.0), label("C", "C", 60.0)]
    assert judge(circle, policy(), "7.0").status is Status.REJECTED


def test_a_name_that_documentation_misspells_takes_the_rule_of_its_parent() -> None:
    labels = [label("Exposed Female Nipples", "Explicit Nudity", 70.0), label("Explicit Nudity", "Explicit", 70.0)]
    assert status("explicit:0.8", labels, "7.0") is Status.APPROVED
    assert judge(labels, policy("explicit:0.6"), "7.0").reasons[0].label == "Exposed Female Nipples"


def test_a_known_name_below_a_foreign_parent_takes_the_stricter_of_both_rules() -> None:
    moved = [label("Partial Nudity", "Explicit Nudity", 60.0)]
    assert status("partial_nudity:0.9", moved) is Status.REJECTED
    assert status("explicit_nudity:0.9", moved) is Status.REJECTED
    assert status("explicit_nudity:0.9:suggestive:0.9", moved) is Status.APPROVED


def test_a_label_of_the_other_taxonomy_is_read_there() -> None:
    assert status("suggestive:0.3", [label("Suggestive", "", 40.0)], "7.1") is Status.REJECTED


def test_the_first_label_that_proves_a_taxonomy_decides_how_all_are_read() -> None:
    shared = label("Weapons", "Violence", 70.0)
    assert judge([shared, *echo(70.0, 1)], policy()).taxonomy == "6.1"
    assert judge([shared, label("Products", "Drugs & Tobacco", 70.0, 1)], policy()).taxonomy == "7.0"
    assert judge([label("Weapons", "Violence", 70.0, level=2)], policy()).taxonomy == "7.0"


@pytest.mark.parametrize(
    ("setting", "rejected_by"),
    [("explicit:0.9:explicit_nudity:0.3", "7.0"), ("explicit:0.3:explicit_nudity:0.9", "6.1")],
)
def test_while_nothing_proves_a_taxonomy_the_reading_that_rejects_stands(setting: str, rejected_by: str) -> None:
    misplaced = [label("Explicit Nudity", "Nowhere", 40.0)]
    for version in TAXONOMIES:
        expected = Status.REJECTED if version.version == rejected_by else Status.APPROVED
        assert status(setting, misplaced, version.version) is expected
    verdict = judge(misplaced, policy(setting))
    assert (verdict.status, verdict.taxonomy) == (Status.REJECTED, rejected_by)
    assert judge([], policy(setting)).taxonomy == "7.0"


def test_a_reason_tells_label_time_confidence_threshold_and_origin() -> None:
    labels = [*echo(70.0, 500), *echo(91.5, 1000), *echo(91.5, 1500), *echo(20.0, 2000)]
    verdict = judge(labels, policy("suggestive:0.6"), "6.1")
    assert json.loads(json.dumps(verdict.to_dict())) == {
        "status": "rejected",
        "reasons": [
            {
                "label": "Revealing Clothes",
                "path": ["Suggestive", "Revealing Clothes"],
                "confidence": 91.5,
                "threshold": 0.6,
                "timestamp_ms": 1000,
                "first_ms": 500,
                "count": 3,
                "origin": "inherited from suggestive",
                "source": "suggestive",
            }
        ],
        "maxima": [
            {"path": ["Suggestive"], "confidence": 91.5, "timestamp_ms": 1000, "threshold": 0.6},
            {"path": ["Suggestive", "Revealing Clothes"], "confidence": 91.5, "timestamp_ms": 1000, "threshold": 0.6},
        ],
        "label_count": 8,
        "offences": 3,
        "taxonomy": "6.1",
        "model_version": "6.1",
    }


def test_what_is_ignored_is_still_listed_as_evidence() -> None:
    maxima = judge(echo(95.0), policy("suggestive:ignore"), "6.1").maxima
    assert [(maximum.path[-1], maximum.confidence, maximum.threshold) for maximum in maxima] == [
        ("Suggestive", 95.0, None),
        ("Revealing Clothes", 95.0, None),
    ]


def test_all_labels_are_judged_and_the_first_thousand_shown_as_they_came() -> None:
    labels = [label("Violence", "", 10.0, t) for t in range(SHOWN_LABELS)] + [label("Violence", "", 90.0, 2000)]
    verdict = judge(labels, policy(), "7.0")
    assert verdict.status is Status.REJECTED
    assert verdict.label_count == SHOWN_LABELS + 1
    assert verdict.labels == tuple(labels[:SHOWN_LABELS])
    assert verdict.labels[0] is labels[0]


def test_more_categories_than_are_listed_are_judged_all_the_same() -> None:
    harmless = [label(f"New {n}", "", 10.0) for n in range(LISTED_CATEGORIES)]
    verdict = judge([*harmless, label("Violence", "", 90.0)], policy(), "7.0")
    assert [reason.label for reason in verdict.reasons] == ["Violence"]
    assert len(verdict.maxima) == LISTED_CATEGORIES


def labels_of(sample: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        label(each["name"], each["parent"], each["confidence"], each["t_ms"] or 0, each["level"])
        for each in sample["labels"]
    ]


def leaves_of(sample: dict[str, Any]) -> set[str]:
    """Return the slugs of what a sample reports lowest; none where only its numbers were kept."""
    taxonomy = taxonomy_for(sample["model_version"])
    found = [taxonomy.find(each["name"], each["parent"]) for each in sample["labels"]]
    parents = {each["parent"] for each in sample["labels"]}
    return {category.slug for category in found if category and category.name not in parents}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["id"])
def test_published_and_captured_answers_are_judged_by_their_highest_label(sample: dict[str, Any]) -> None:
    labels = labels_of(sample)
    highest = max(each["confidence"] for each in sample["labels"])
    verdict = judge(labels, policy(), sample["model_version"])
    assert verdict.status is (Status.REJECTED if highest > 50 else Status.APPROVED)
    assert verdict.maxima[0].confidence == highest
    assert verdict.labels == tuple(labels)
    assert judge(labels, policy("min_confidence:0.0"), None).status is verdict.status


@pytest.mark.parametrize("sample", [each for each in SAMPLES if leaves_of(each)], ids=lambda sample: sample["id"])
def test_ignoring_what_is_reported_lowest_approves_every_published_and_captured_answer(sample: dict[str, Any]) -> None:
    setting = ":".join(f"{slug}:ignore" for slug in sorted(leaves_of(sample)))
    version = sample["model_version"]
    ignoring = Policy.parse(f"aws_rek_video:{setting}", default_taxonomy=version)
    assert judge(labels_of(sample), ignoring, version).status is Status.APPROVED


GOOD = label("Violence", "", 10.0)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "Violence",
        [],
        {},
        {"Timestamp": 0},
        {"Timestamp": 0, "ModerationLabel": None},
        {"Timestamp": 0, "ModerationLabel": "Violence"},
        {"ModerationLabel": GOOD["ModerationLabel"]},
        {"Timestamp": "0", "ModerationLabel": GOOD["ModerationLabel"]},
        {"Timestamp": -1, "ModerationLabel": GOOD["ModerationLabel"]},
        {"Timestamp": True, "ModerationLabel": GOOD["ModerationLabel"]},
        {"Timestamp": 0.5, "ModerationLabel": GOOD["ModerationLabel"]},
        {"Timestamp": 0, "ModerationLabel": {"Name": "Violence", "ParentName": ""}},
        {"Timestamp": 0, "ModerationLabel": {"Confidence": 10.0, "ParentName": ""}},
        *(label("Violence", "", wrong) for wrong in (math.nan, math.inf, -math.inf, -0.1, 100.1, True)),
        *(label("Violence", "", wrong) for wrong in ("90", None, [90.0])),  # type: ignore[arg-type] # the very point
        label("", "", 10.0),
        label(7, "", 10.0),  # type: ignore[arg-type] # the very point
        label("Violence", 7, 10.0),  # type: ignore[arg-type] # the very point
    ],
    ids=repr,
)
def test_what_is_no_label_is_an_error_and_never_an_approval(wrong: Any) -> None:
    with pytest.raises(ResultsUnreadable, match="not a label"):
        judge([GOOD, wrong], policy("violence:ignore"), "7.0")
    assert issubclass(ResultsUnreadable, PermanentError)


@pytest.mark.parametrize("parent", ["absent", None])
def test_a_label_without_a_parents_name_is_of_the_top_level(parent: str | None) -> None:
    bare = label("Violence", "", 90.0)
    if parent is None:
        bare["ModerationLabel"]["ParentName"] = None
    else:
        del bare["ModerationLabel"]["ParentName"]
    assert [reason.path for reason in judge([bare], policy(), "7.0").reasons] == [("Violence",)]
