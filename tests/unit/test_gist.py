"""A gist tells of every policy what all labels tell."""

import hashlib
import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden import errors, evidence
from clipwarden.gist import FORM, Condenser, Gist, Scale
from clipwarden.policy import Policy
from clipwarden.taxonomy import Path, Taxonomy
from clipwarden.verdict import judge
from fuzzing import tried
from moments import SETTINGS, TAXONOMY, flat, moments, written
from sightings import label, policy

THOROUGH = tried(2)
#: Strangers below each other, whose ancestors are named in two ways.
CHAIN = [("Absinthe", "Spirits"), ("Spirits", "Alcohol"), ("Spirits", "Violence"), ("Spirits", "Spirits")]
DATA = ("taxonomy_v6.json", "taxonomy_v7.json", "taxonomy_v6_to_v7.json")


def condensed(labels: list[dict[str, Any]], version: str | None) -> Gist | None:
    condenser = Condenser(version)
    assert list(condenser.passing(labels)) == labels
    return condenser.gist()


def judged(labels: list[dict[str, Any]], by: Policy, version: str, needed: float = 0.0) -> dict[Path, float]:
    sure = [one for one in labels if evidence.read(one).confidence >= needed]
    return {reason.path: reason.confidence for reason in judge(sure, by, version).reasons}


@THOROUGH
@given(st.data(), TAXONOMY, st.lists(SETTINGS, min_size=1, max_size=4))
def test_a_gist_is_judged_as_all_labels_are_by_any_policy(
    data: st.DataObject, taxonomy: Taxonomy, chosen: list[dict[str, str]]
) -> None:
    labels = flat(data.draw(moments(taxonomy)))
    gist = condensed(labels, taxonomy.version)
    if gist is None:
        return
    kept = Gist.read(str(gist))
    assert kept == gist
    for by in map(written, chosen):
        scale = Scale(by)
        assert scale.offending(kept) == judged(labels, by, taxonomy.version)
        assert scale.offending(kept) == judged(labels, by, taxonomy.version, scale.needs)


@THOROUGH
@given(
    st.lists(st.tuples(st.sampled_from(CHAIN), st.sampled_from([20.0, 40.0, 60.0, 80.0])), min_size=2, max_size=5),
    st.dictionaries(st.sampled_from(["alcohol", "violence"]), st.sampled_from(["ignore", "0.7", "0.5", "0.3"])),
)
def test_strangers_below_strangers_are_judged_by_a_gist_as_by_labels(
    seen: list[tuple[tuple[str, str], float]], chosen: dict[str, str]
) -> None:
    labels = [label(name, parent, confidence) for (name, parent), confidence in seen]
    gist, scale = condensed(labels, "7.0"), Scale(written(chosen))
    if gist is not None:
        assert scale.offending(gist) == judged(labels, scale.policy, "7.0")
        assert scale.offending(gist) == judged(labels, scale.policy, "7.0", scale.needs)


@THOROUGH
@given(st.data(), TAXONOMY)
def test_what_rekognition_reports_has_a_gist(data: st.DataObject, taxonomy: Taxonomy) -> None:
    labels = flat(data.draw(moments(taxonomy)))
    known = [
        one for one in labels if taxonomy.find(one["ModerationLabel"]["Name"], one["ModerationLabel"]["ParentName"])
    ]
    assert condensed(known, taxonomy.version) is not None


@THOROUGH
@given(st.data(), TAXONOMY, SETTINGS)
def test_one_scale_weighs_many_gists(data: st.DataObject, taxonomy: Taxonomy, chosen: dict[str, str]) -> None:
    scale = Scale(written(chosen))
    for labels in map(flat, data.draw(st.lists(moments(taxonomy), max_size=4))):
        gist = condensed(labels, taxonomy.version)
        if gist is not None:
            assert scale.offending(gist) == judged(labels, scale.policy, taxonomy.version)


def test_an_echo_in_an_ancestor_is_not_in_the_gist_but_what_exceeds_it_is() -> None:
    echo = [label("Violence", "", 70.0), label("Weapons", "Violence", 70.0)]
    above = [label("Violence", "", 90.0, 500), label("Weapons", "Violence", 60.0, 500)]
    gist = condensed([*echo, *above], "7.0")
    assert gist is not None
    assert gist.heights == {"Weapons\nViolence": 70.0, "Violence\n": 90.0}
    only_echo = condensed(echo, "7.0")
    assert only_echo is not None
    assert Scale(policy("weapons:ignore")).offending(only_echo) == {}


def test_a_stranger_is_placed_by_all_that_was_said_of_its_ancestors() -> None:
    labels = [label("Alcohol", "", 90.0), label("Spirits", "Alcohol", 90.0), label("Absinthe", "Spirits", 90.0)]
    gist = condensed(labels, "7.0")
    assert gist is not None
    assert list(gist.heights) == ["Absinthe\nSpirits\nAlcohol"]
    assert Scale(policy("alcohol:ignore")).offending(gist) == {}
    assert Scale(policy()).offending(gist) == {("Alcohol", "Spirits", "Absinthe"): 90.0}


@pytest.mark.parametrize(
    ("version", "labels"),
    [
        (None, [label("Violence", "", 90.0)]),
        ("7.0", [label("Violence", "", 90.0, 500), label("Violence", "", 90.0, 0)]),
        ("7.0", [label("Absinthe", "Spirits", 90.0), label("Spirits", "Alcohol", 40.0)]),
        ("7.0", [label("One\nTwo", "", 90.0)]),
        ("7.0", [label(f"New {number}", "", 90.0, number) for number in range(201)]),
    ],
    ids=["no model version", "out of order", "unsure place", "a name of two lines", "too many names"],
)
def test_there_is_no_gist_where_it_might_not_tell_the_same(version: str | None, labels: list[dict[str, Any]]) -> None:
    assert condensed(labels, version) is None


def test_what_is_no_label_has_no_gist_and_is_said_to_be_none() -> None:
    with pytest.raises(errors.ResultsUnreadable):
        condensed([{"Timestamp": 0}], "7.0")


def test_a_gist_of_another_form_is_not_read() -> None:
    assert Gist.read(json.dumps([FORM + 1, {"another": "form"}])) is None


def test_the_form_is_another_one_once_the_taxonomies_are() -> None:
    data = b"".join(files("clipwarden").joinpath("data", name).read_bytes() for name in DATA)
    known = {1: "691629dc567a38d1af1dc272a1a1422901ecf89fbc76066b4ee2b4a455f6a722"}
    assert known[FORM] == hashlib.sha256(data).hexdigest(), "raise FORM: gists that are kept tell of other taxonomies"
