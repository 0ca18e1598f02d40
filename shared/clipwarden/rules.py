"""Which threshold is in force for a category, and which setting of the policy it comes from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from clipwarden.taxonomy import TAXONOMIES, Category, sources, taxonomy_for

#: What holds where a policy says nothing.
DEFAULT_THRESHOLD = Decimal("0.5")

#: Thresholds by the category they are written for; ``None`` ignores it.
Written = Mapping[Category, Decimal | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one category is judged by, and why."""

    category: Category
    threshold: Decimal | None  #: 0 to 1; ``None`` where the category is ignored.
    source: Category | None  #: The category that the policy names; ``None`` where the default holds.

    @property
    def ignored(self) -> bool:
        """Say whether labels of this category never offend."""
        return self.threshold is None

    @property
    def limit(self) -> float:
        """Return what a confidence of 0 to 100 must exceed to offend; infinity where it never does.

        Exact: a threshold has at most 12 decimals, so that comparing floats gives the same as comparing the
        decimals that stand in Rekognition's answer and in the policy.
        """
        return float("inf") if self.threshold is None else float(self.threshold * 100)

    @property
    def origin(self) -> str:
        """Tell a person where the threshold comes from."""
        if self.source is None:
            return "default"
        if self.source == self.category:
            return "set"
        if self.source.taxonomy == self.category.taxonomy:
            return f"inherited from {self.source.slug}"
        return f"carried over from {self.source.taxonomy} {self.source.slug}"


def resolve(written: Written) -> dict[Category, Rule]:
    """Return the rule of every category of both taxonomies."""
    return {category: _rule(category, written) for taxonomy in TAXONOMIES for category in taxonomy.categories}


def default_rule(category: Category) -> Rule:
    """Return the rule for what no setting reaches."""
    return Rule(category=category, threshold=DEFAULT_THRESHOLD, source=None)


def strictest(rules: Iterable[Rule], category: Category) -> Rule:
    """Return the rule with the lowest limit, or the default; of equal ones, one that the policy has set."""
    chosen = min(rules, key=lambda rule: (rule.limit, rule.source is None), default=default_rule(category))
    return replace(chosen, category=category)


def _rule(category: Category, written: Written) -> Rule:
    """Resolve one category; the nearer to its own name a setting stands, the more it counts.

    First its own name, then its counterparts' own names, then what holds for the category above it. Only where its
    own taxonomy sets nothing above it either does it take what its counterparts have inherited.
    """
    own = _as_written(category, written)
    if own.source == category:
        return own
    above = taxonomy_for(category.taxonomy).above(category)
    if own.source is None or above is None or any(source.category in written for source in sources(category)):
        return _carried_over(category, above, written)
    return replace(_rule(above, written), category=category)


def _as_written(category: Category, written: Written) -> Rule:
    """Resolve within the category's own taxonomy: the nearest setting at or above it, else the default."""
    taxonomy = taxonomy_for(category.taxonomy)
    at: Category | None = category
    while at is not None:
        if at in written:
            return Rule(category=category, threshold=written[at], source=at)
        at = taxonomy.above(at)
    return default_rule(category)


def _carried_over(category: Category, above: Category | None, written: Written) -> Rule:
    """Take the strictest of the counterparts' rules; the part that no counterpart stands for has its parent's."""
    found = sources(category)
    rules = [_as_written(source.category, written) for source in found]
    if above is not None and all(source.conditional for source in found):
        rules.append(_rule(above, written))
    return strictest(rules, category)
