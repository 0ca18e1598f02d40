"""Moderation parameters are read, explained, carried over, and refused in words that help."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clipwarden.errors import PolicyError
from clipwarden.policy import Policy
from clipwarden.rules import Rule
from clipwarden.taxonomy import SLUGS, TAXONOMIES, V6, V7, taxonomy_for

THRESHOLDS = st.decimals(min_value=0, max_value=1, places=3).map(lambda value: f"{value:f}") | st.just("ignore")


@st.composite
def parameters(draw: st.DrawFn) -> str:
    chosen = draw(st.lists(st.sampled_from(SLUGS), unique=True, max_size=6))
    parts = [f"{slug}:{draw(THRESHOLDS)}" for slug in chosen]
    if draw(st.booleans()):
        parts.append(f"min_confidence:{draw(st.decimals(min_value=0, max_value=1, places=2)):f}")
    return ":".join(["aws_rek_video", *draw(st.permutations(parts))])


def _rule(parameter: str, version: str, slug: str, default: str = "6.1") -> tuple[Decimal | None, str]:
    policy = Policy.parse(f"aws_rek_video:{parameter}" if parameter else "aws_rek_video", default_taxonomy=default)
    rule = _explained(policy, version)[slug]
    return rule.threshold, rule.origin


def _explained(policy: Policy, version: str) -> dict[str, Rule]:
    # Backwards, so that of the two Gamblings the upper one stays.
    return {rule.category.slug: rule for rule in reversed(policy.explain(version))}


HALF = Decimal("0.5")


def test_without_settings_the_default_holds_for_every_category_of_both_taxonomies() -> None:
    for version in TAXONOMIES:
        rules = Policy.parse("aws_rek_video").explain(version.version)
        assert [rule.category for rule in rules] == list(version.categories)
        assert {(rule.threshold, rule.origin) for rule in rules} == {(HALF, "default")}


def test_a_threshold_holds_for_all_below_unless_one_of_them_is_set_itself() -> None:
    setting = "suggestive:0.82:revealing_clothes:ignore"
    assert _rule(setting, "6.1", "suggestive") == (Decimal("0.82"), "set")
    assert _rule(setting, "6.1", "barechested_male") == (Decimal("0.82"), "inherited from suggestive")
    assert _rule(setting, "6.1", "revealing_clothes") == (None, "set")
    assert _rule(setting, "6.1", "violence") == (HALF, "default")


def test_the_nearer_of_two_ancestors_rules() -> None:
    setting = "explicit:0.9:explicit_nudity:0.7"
    assert _rule(setting, "7.0", "exposed_female_nipple") == (Decimal("0.7"), "inherited from explicit_nudity")
    assert _rule(setting, "7.0", "sex_toys") == (Decimal("0.9"), "inherited from explicit")


def test_gambling_means_both_categories_of_that_name() -> None:
    rules = [rule for rule in Policy.parse("aws_rek_video:gambling:0.9").explain("6.1") if rule.threshold != HALF]
    assert [(rule.category.level, rule.origin) for rule in rules] == [(1, "set"), (2, "inherited from gambling")]


@pytest.mark.parametrize(
    ("setting", "default", "read_in"),
    [
        ("explicit_nudity:0.9", "6.1", "6.1"),
        ("explicit_nudity:0.9", "7.0", "7.0"),
        ("explicit_nudity:0.9:suggestive:0.8", "7.0", "6.1"),
        ("explicit_nudity:0.9:swimwear_or_underwear:0.8", "6.1", "7.0"),
        ("suggestive:0.8:explicit_nudity:0.9:swimwear_or_underwear:0.8", "6.1", "6.1"),
        ("suggestive:0.8:explicit_nudity:0.9:swimwear_or_underwear:0.8", "7.0", "7.0"),
        ("explicit_nudity:0.9:min_confidence:0.1", "7.0", "7.0"),
    ],
)
def test_an_ambiguous_name_is_read_where_the_other_names_belong_or_else_by_default(
    setting: str, default: str, read_in: str
) -> None:
    policy = Policy.parse(f"aws_rek_video:{setting}", default_taxonomy=default)
    assert [s.category.taxonomy for s in policy.settings if s.category.slug == "explicit_nudity"] == [read_in]


def test_old_names_are_carried_over_to_new_categories() -> None:
    setting = "suggestive:0.82:revealing_clothes:ignore"
    assert _rule(setting, "7.0", "swimwear_or_underwear") == (Decimal("0.82"), "carried over from 6.1 suggestive")
    assert _rule(setting, "7.0", "exposed_male_nipple") == (Decimal("0.82"), "carried over from 6.1 suggestive")
    assert _rule(setting, "7.0", "non-explicit_nudity") == (None, "carried over from 6.1 revealing_clothes")
    # It has no counterpart, and takes what holds above it.
    assert _rule(setting, "7.0", "bare_back") == (None, "carried over from 6.1 revealing_clothes")


def test_new_names_are_carried_over_to_old_categories() -> None:
    setting = "explicit:0.8:exposed_female_nipple:ignore"
    assert _rule(setting, "6.1", "explicit_nudity") == (Decimal("0.8"), "carried over from 7.0 explicit")
    # Exposed buttocks are the other half of what was called nudity.
    assert _rule(setting, "6.1", "nudity") == (Decimal("0.8"), "carried over from 7.0 explicit")
    assert _rule("explicit:ignore", "6.1", "nudity") == (None, "carried over from 7.0 explicit")


def test_of_several_sources_the_strictest_counts_and_ignore_only_if_all_are_ignored() -> None:
    assert _rule("drugs:ignore", "7.0", "drugs_&_tobacco") == (HALF, "default")
    assert _rule("drugs:0.4:tobacco:0.3", "7.0", "products") == (Decimal("0.3"), "carried over from 6.1 tobacco")
    assert _rule("drugs:0.4:tobacco:ignore", "7.0", "products") == (Decimal("0.4"), "carried over from 6.1 drugs")
    ignored = _rule("drugs:ignore:tobacco:ignore", "7.0", "drugs_&_tobacco")
    assert ignored == (None, "carried over from 6.1 drugs")


def test_ignoring_drawn_nudity_does_not_ignore_nudity() -> None:
    setting = "explicit_nudity:0.6:illustrated_explicit_nudity:ignore"
    assert _rule(setting, "7.0", "explicit_nudity") == (Decimal("0.6"), "carried over from 6.1 explicit_nudity")
    assert _rule(setting, "6.1", "illustrated_explicit_nudity") == (None, "set")


def test_in_a_mixed_policy_a_name_of_the_own_taxonomy_counts_more_than_what_is_carried_over() -> None:
    setting = "suggestive:0.8:swimwear_or_underwear:ignore"
    assert _rule(setting, "7.0", "swimwear_or_underwear") == (None, "set")
    # Its 6.1 counterpart merely inherits from suggestive.
    assert _rule(setting, "7.0", "male_swimwear_or_underwear") == (None, "inherited from swimwear_or_underwear")
    assert _rule(setting, "7.0", "kissing_on_the_lips") == (Decimal("0.8"), "carried over from 6.1 suggestive")
    assert _rule(setting, "6.1", "suggestive") == (Decimal("0.8"), "set")


def test_in_a_mixed_policy_a_counterparts_own_name_counts_more_than_an_ancestors() -> None:
    setting = "explicit:0.9:nudity:0.3"
    assert _rule(setting, "7.0", "exposed_female_nipple") == (Decimal("0.3"), "carried over from 6.1 nudity")
    assert _rule(setting, "7.0", "exposed_male_genitalia") == (Decimal("0.9"), "inherited from explicit")
    assert _rule(setting, "6.1", "graphic_male_nudity") == (Decimal("0.9"), "carried over from 7.0 explicit")


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("aws_rek_video", 50.0),
        ("aws_rek_video:suggestive:0.82", 50.0),
        ("aws_rek_video:revealing_clothes:0.3", 30.0),
        ("aws_rek_video:bare_back:0.07", 7.0),
        ("aws_rek_video:min_confidence:0.0", 0.0),
        ("aws_rek:min_confidence:0.0", 0.0),
        ("aws_rek_video:min_confidence:0.9", 50.0),
        (f"aws_rek_video:{':'.join(f'{category.slug}:ignore' for category in V7.roots)}", 50.0),
    ],
)
def test_rekognition_is_asked_for_no_more_than_the_lowest_threshold(parameter: str, expected: float) -> None:
    assert Policy.parse(parameter).min_confidence == expected


@settings(deadline=None)
@given(parameters())
def test_rekognition_is_never_asked_above_a_threshold_in_force_in_either_taxonomy(parameter: str) -> None:
    policy = Policy.parse(parameter)
    limits = [rule.limit for version in TAXONOMIES for rule in policy.explain(version.version)]
    assert 0 <= policy.min_confidence <= min(50.0, *limits)


@settings(deadline=None)
@given(parameters(), st.sampled_from(["6.1", "7.0"]))
@example("aws_rek_video:female_underwear:0.3", "7.0")
@example("aws_rek_video:violence:1:alcohol:.50:tobacco:0", "6.1")
def test_the_canonical_text_reads_as_the_same_policy(parameter: str, default: str) -> None:
    policy = Policy.parse(parameter, default_taxonomy=default)
    again = Policy.parse(str(policy), default_taxonomy=default)
    assert again == policy
    assert str(again) == str(policy)
    assert again.explain("6.1") == policy.explain("6.1")


def test_the_canonical_text_has_one_way_to_spell_each_thing() -> None:
    text = "aws_rek:min_confidence:0"
    assert str(Policy.parse(text)) == "aws_rek_video:min_confidence:0.0"
    text = (
        "aws_rek_video:min_confidence:.10:female_underwear:.50:self_harm:1:violence:0.000000000001:drugs_tobacco:ignore"
    )
    assert str(Policy.parse(text)) == (
        "aws_rek_video:female_swimwear_or_underwear:0.5:self-harm:1.0:violence:0.000000000001"
        ":drugs_&_tobacco:ignore:min_confidence:0.1"
    )


def test_saying_the_same_twice_is_saying_it_once() -> None:
    twice = Policy.parse("aws_rek_video:self-harm:0.50:self_harm:0.5")
    assert twice == Policy.parse("aws_rek_video:self-harm:0.5")


@settings(deadline=None)
@given(parameters())
def test_a_policy_of_one_taxonomy_rules_there_by_the_nearest_name_alone(parameter: str) -> None:
    policy = Policy.parse(parameter)
    written = {setting.category: setting.threshold for setting in policy.settings}
    homes = {category.taxonomy for category in written}
    for version in homes if len(homes) == 1 else ():
        taxonomy = taxonomy_for(version)
        for rule in policy.explain(version):
            at = rule.category
            while at not in written and (above := taxonomy.above(at)):
                at = above
            assert rule.threshold == written.get(at, HALF)


@given(st.integers(0, 10**12), st.floats(0, 100, width=32) | st.floats(0, 100) | st.integers(0, 10**6))
@example(930_000_000_000, 93.0)
@example(941_500_000_000, 94.15)
@example(70_000_000_000, 7.000000000000001)
@example(583_000_000_000, 58.3)
def test_a_confidence_is_compared_with_a_threshold_as_the_decimals_that_were_written(
    trillionths: int, seen: float
) -> None:
    threshold = Decimal(trillionths).scaleb(-12)
    confidence = seen / 10_000 if isinstance(seen, int) else seen
    rule = Rule(category=V6.categories[0], threshold=threshold, source=None)
    written = Fraction(Decimal(repr(confidence)))
    assert (confidence > rule.limit) == (written > Fraction(threshold) * 100)


@pytest.mark.parametrize(
    ("parameter", "part", "says"),
    [
        ("", "", "must begin with aws_rek_video"),
        (":suggestive:0.5", "", "must begin with aws_rek_video"),
        ("manual", "manual", "begin with aws_rek_video"),
        ("google_video_moderation:likely", "google_video_moderation", "begin with aws_rek_video"),
        (" aws_rek_video", " aws_rek_video", "begin with aws_rek_video"),
        ("aws_rek", "aws_rek", "moderates images"),
        ("aws_rek:explicit:0.8", "aws_rek", "moderates images"),
        ("aws_rek:min_confidence:0.1:violence:0.8", "aws_rek", "moderates images"),
        ("aws_rek_video:explict_nudity:0.5", "explict_nudity", "did you mean explicit_nudity"),
        ("aws_rek_video:Violence:0.5", "Violence", "did you mean violence"),
        ("aws_rek_video:revealing clothes:0.5", "revealing clothes", "did you mean revealing_clothes"),
        ("aws_rek_video:zzz:0.5", "zzz", "expected a category's name"),
        ("aws_rek_video::0.5", "", "nothing (at 14)"),
        ("aws_rek_video:violence", "violence", "has no threshold"),
        ("aws_rek_video:violence:0.5:alcohol", "alcohol", "has no threshold"),
        ("aws_rek_video:zzz", "zzz", "is not a category"),
        ("aws_rek_video:suggestive:nudity:explicit", "nudity", "needs one of its own"),
        ("aws_rek_video:violence:0.5:", ":", "ends with a colon"),
        ("aws_rek_video:", ":", "ends with a colon"),
        ("aws_rek_video:violence::alcohol:0.5", "", "not a threshold for violence"),
        ("aws_rek_video:min_confidence:ignore", "ignore", "not a threshold for min_confidence"),
        ("aws_rek_video:violence:0.5:violence:0.6", "violence", "set twice"),
        ("aws_rek_video:self-harm:0.5:self_harm:ignore", "self_harm", "set twice"),
        ("aws_rek_video:min_confidence:0.5:min_confidence:0.6", "min_confidence", "set twice"),
        *(
            (f"aws_rek_video:violence:{wrong}", wrong, "expected a decimal from 0.0 to 1.0")
            for wrong in (
                "0.5.5",
                "1.01",
                "2",
                "-0.1",
                "+0.5",
                "nan",
                "inf",
                "1e-1",
                "0,5",
                "0.5 ",
                "0.5\n",
                "50%",
                "1.",
                ".",
                "0_1",
                "00.5",
                "Ignore",
                "\u0660.\u0665",
                "\u00bd",
                "0.1234567890123",
                "0.5|manual",
            )
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_what_is_expected(parameter: str, part: str, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(parameter)
    assert says in str(caught.value)
    assert caught.value.part == part
    assert parameter[caught.value.position :].startswith(part)


def test_the_nearest_categories_are_suggested_best_first() -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.parse("aws_rek_video:explict_nudity:0.5")
    assert caught.value.suggestions[0] == "explicit_nudity"
    assert set(caught.value.suggestions) <= set(SLUGS)


def test_an_absurdly_long_parameter_is_refused_at_once_and_shown_in_part() -> None:
    with pytest.raises(PolicyError, match="longer than 8192") as caught:
        Policy.parse("aws_rek_video:" + "x" * 10_000_000)
    assert caught.value.position == 8192
    assert len(caught.value.part) < 100
    with pytest.raises(PolicyError) as caught:
        Policy.parse("aws_rek_video:" + "x" * 8000)
    assert len(str(caught.value)) < 300


def test_a_parameter_that_names_every_category_is_not_too_long() -> None:
    every = ":".join(f"{slug}:0.123456789012" for slug in SLUGS)
    assert len(Policy.parse(f"aws_rek_video:{every}").settings) == len(SLUGS)


GARBAGE = st.text() | st.lists(
    st.sampled_from(["aws_rek_video", "aws_rek", "violence", "min_confidence", "0.5", "ignore", ":", ""])
    | st.text(max_size=5)
).map(":".join)


@settings(deadline=None)
@given(GARBAGE)
def test_any_text_is_either_read_or_refused_with_a_place_inside_it(text: str) -> None:
    outcome = _outcome(text)
    if isinstance(outcome, Policy):
        assert Policy.parse(str(outcome)) == outcome
    else:
        assert 0 <= outcome.position <= max(len(text) - 1, 0)
        assert text[outcome.position :].startswith(outcome.part)
        assert str(outcome).isprintable()


def _outcome(text: str) -> Policy | PolicyError:
    try:
        return Policy.parse(text)
    except PolicyError as error:
        return error
