"""A moderation parameter, read: which confidence is too much for which category, in either taxonomy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from clipwarden import grammar
from clipwarden.rules import DEFAULT_THRESHOLD, Rule, resolve
from clipwarden.taxonomy import TAXONOMIES, Category, Taxonomy, taxonomy_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A threshold as the policy's author wrote it."""

    category: Category
    threshold: Decimal | None  #: 0 to 1; ``None`` ignores the category.

    def __str__(self) -> str:
        """Return the setting as it stands in a parameter."""
        return f"{self.category.slug}:{grammar.spell(self.threshold)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a video's labels are judged by; ``str`` gives the canonical parameter."""

    settings: tuple[Setting, ...] = ()
    asked_for: Decimal | None = None  #: The parameter's ``min_confidence``, 0 to 1.
    _rules: Mapping[Category, Rule] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Resolve every category's rule once."""
        written = {setting.category: setting.threshold for setting in self.settings}
        object.__setattr__(self, "_rules", resolve(written))

    @classmethod
    def parse(cls, text: str, *, default_taxonomy: str = "6.1") -> "Policy":
        """Read a moderation parameter; PolicyError says which part is wrong and what is expected.

        A name that both taxonomies have is read in the one that the other names belong to; where these do not tell,
        or contradict each other, in ``default_taxonomy``.
        """
        return _parse(text, default_taxonomy)

    def __str__(self) -> str:
        """Return the canonical parameter; parsing it with the same default taxonomy gives an equal policy."""
        parts = [grammar.KIND, *map(str, self.settings)]
        if self.asked_for is not None:
            parts.append(f"{grammar.MIN_CONFIDENCE}:{grammar.spell(self.asked_for)}")
        return ":".join(parts)

    @property
    def min_confidence(self) -> float:
        """Return the confidence, 0 to 100, from which labels are needed of Rekognition.

        Never above a threshold in force in either taxonomy, nor above the default, which unknown labels have.
        """
        thresholds = [rule.threshold for rule in self._rules.values() if rule.threshold is not None]
        asked_for = [] if self.asked_for is None else [self.asked_for]
        return float(min([DEFAULT_THRESHOLD, *thresholds, *asked_for]) * 100)

    def rule_for(self, category: Category) -> Rule:
        """Return the rule that is in force for a category of either taxonomy."""
        return self._rules[category]

    def explain(self, model_version: str) -> tuple[Rule, ...]:
        """Return the rule of every category that a model may report."""
        return tuple(self._rules[category] for category in taxonomy_for(model_version).categories)


@lru_cache(maxsize=1024)
def _parse(text: str, default_taxonomy: str) -> Policy:
    """Read a parameter; the few that an installation uses are resolved once each, for that takes a millisecond."""
    parsed = grammar.parse(text)
    home = _home(parsed.thresholds, taxonomy_for(default_taxonomy))
    settings = (
        Setting(category=_category(slug, home), threshold=threshold) for slug, threshold in parsed.thresholds.items()
    )
    return Policy(settings=tuple(settings), asked_for=parsed.min_confidence)


def _home(slugs: Iterable[str], default: Taxonomy) -> Taxonomy:
    """Return the taxonomy in which names that are found in both are read."""
    knowing = [[taxonomy for taxonomy in TAXONOMIES if taxonomy.by_slug(slug)] for slug in slugs]
    told = {found[0].version for found in knowing if len(found) == 1}
    return taxonomy_for(told.pop()) if len(told) == 1 else default


def _category(slug: str, home: Taxonomy) -> Category:
    found = (taxonomy.by_slug(slug) for taxonomy in (home, *TAXONOMIES))
    return next(category for category in found if category is not None)
