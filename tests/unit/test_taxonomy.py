"""Both taxonomies are as published, names are understood however they are spelt, and the map leads both ways."""

import pytest

from clipwarden import taxonomy
from clipwarden.taxonomy import SLUGS, TAXONOMIES, V6, V7, Category, canonical, slug, sources, taxonomy_for, told_by


def _paths(categories: list[Category]) -> set[tuple[str, ...]]:
    return {category.path for category in categories}


def test_the_taxonomies_have_the_published_numbers_of_categories_on_each_level() -> None:
    levels = {
        version.version: [sum(category.level == level for category in version.categories) for level in (1, 2, 3)]
        for version in TAXONOMIES
    }
    assert levels == {"6.1": [10, 35, 0], "7.0": [10, 20, 22]}


def test_a_category_is_known_by_its_path_because_gambling_lies_below_gambling() -> None:
    assert V6.at(("Gambling",)) != V6.at(("Gambling", "Gambling"))
    assert V6.find("Gambling", "") == V6.named("Gambling") == V6.by_slug("gambling") == V6.at(("Gambling",))
    assert V6.find("Gambling", "Gambling") == V6.at(("Gambling", "Gambling"))


def test_parents_children_and_levels_agree_with_each_other() -> None:
    for version in TAXONOMIES:
        assert {category.level for category in version.roots} == {1}
        for category in version.categories:
            above = version.above(category)
            assert (above.name if above else "") == category.parent
            assert above is None or category in version.children(above)
            assert all(child.level == category.level + 1 for child in version.children(category))


def test_labels_are_found_whatever_the_case_of_their_names() -> None:
    found = V7.find("female swimwear OR underwear", "SWIMWEAR or underwear")
    assert found == V7.at(("Swimwear or Underwear", "Female Swimwear or Underwear"))


def test_a_label_with_a_foreign_parent_is_not_found_but_named() -> None:
    assert V6.find("Partial Nudity", "Explicit Nudity") is None
    assert V6.named("Partial Nudity") == V6.at(("Suggestive", "Partial Nudity"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Explicit Nudity", "explicit_nudity"),
        ("Self-Harm", "self-harm"),
        ("Blood & Gore", "blood_&_gore"),
        ("Drugs & Tobacco Paraphernalia & Use", "drugs_&_tobacco_paraphernalia_&_use"),
    ],
)
def test_a_slug_is_the_name_in_lower_case_with_underscores(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize("text", SLUGS)
def test_every_slug_is_its_own_canonical_form(text: str) -> None:
    assert canonical(text) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("self_harm", "self-harm"),
        ("blood_and_gore", "blood_&_gore"),
        ("blood_gore", "blood_&_gore"),
        ("blood__gore", "blood_&_gore"),
        ("drugs_and_tobacco", "drugs_&_tobacco"),
        ("drugs_tobacco_paraphernalia_use", "drugs_&_tobacco_paraphernalia_&_use"),
        ("non_explicit_nudity", "non-explicit_nudity"),
        ("explosions_&_blasts", "explosions_and_blasts"),
        ("female_underwear", "female_swimwear_or_underwear"),
        ("illustrated_nudity_or_sexual_activity", "illustrated_explicit_nudity"),
        ("Explicit_Nudity", None),
        ("explicit nudity", None),
        ("", None),
    ],
)
def test_other_spellings_of_a_slug_are_understood(text: str, meant: str | None) -> None:
    assert canonical(text) == meant


def test_no_spelling_could_mean_two_slugs() -> None:
    spelt = [{taxonomy._plain(text), taxonomy._plain(text.replace("&", ""))} for text in SLUGS]
    assert sum(map(len, spelt)) == len(set().union(*spelt))
    assert not set(taxonomy._LEGACY) & set().union(*spelt)
    assert set(taxonomy._LEGACY.values()) <= set(SLUGS)


@pytest.mark.parametrize(
    ("model_version", "expected"),
    [
        ("6.1", "6.1"),
        ("4.0", "6.1"),
        ("6.x", "6.1"),
        ("7.0", "7.0"),
        ("7.0-local", "7.0"),
        ("7.1", "7.0"),
        ("12", "7.0"),
        ("", "7.0"),
        ("next", "7.0"),
    ],
)
def test_the_major_number_of_a_model_decides_and_the_unknown_is_taken_for_the_newest(
    model_version: str, expected: str
) -> None:
    assert taxonomy_for(model_version).version == expected


def test_a_label_tells_its_taxonomy_by_its_name_or_else_by_its_level() -> None:
    assert told_by("Revealing Clothes", "Suggestive", None) == V6
    assert told_by("Weapon Violence", "Violence", None) == V6
    assert told_by("Weapon Violence", "Graphic Violence", None) == V7
    assert told_by("Violence", "", 1) == V7
    assert told_by("Violence", "", None) is None
    assert told_by("Nobody Knows", "", None) is None


def test_every_category_of_the_old_taxonomy_has_a_source_in_the_new_one() -> None:
    assert all(sources(category) for category in V6.categories)
    assert all(sources(category) for category in V7.roots)


def test_the_map_leads_both_ways() -> None:
    for version in TAXONOMIES:
        for category in version.categories:
            for source in sources(category):
                assert source.category.taxonomy != category.taxonomy
                assert category in [back.category for back in sources(source.category)]


def test_sources_follow_the_published_map() -> None:
    nudity = V6.at(("Explicit Nudity", "Nudity"))
    assert _paths([source.category for source in sources(nudity)]) == {
        ("Explicit", "Explicit Nudity", "Exposed Female Nipple"),
        ("Explicit", "Explicit Nudity", "Exposed Buttocks or Anus"),
    }
    corpses = V7.at(("Visually Disturbing", "Death and Emaciation", "Corpses"))
    assert _paths([source.category for source in sources(corpses)]) == {
        ("Visually Disturbing", "Corpses"),
        ("Visually Disturbing", "Hanging"),
    }


def test_drawn_nudity_is_but_a_part_of_its_counterparts() -> None:
    drawn = V6.at(("Explicit Nudity", "Illustrated Explicit Nudity"))
    assert [source.conditional for source in sources(drawn)] == [False, False]
    assert [source.conditional for source in sources(V7.at(("Explicit", "Explicit Nudity")))] == [True]
